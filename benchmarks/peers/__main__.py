"""python -m benchmarks.peers ADAPTER COMMAND [NUMBER …], inside the adapter's environment."""

from benchmarks.peers.kit import main

main()
