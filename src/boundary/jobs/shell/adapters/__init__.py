"""The stores. One does not know the other; only `connect` knows them all."""
