"""One small adapter a peer, each run inside an environment of its own; `kit` says what they share."""
