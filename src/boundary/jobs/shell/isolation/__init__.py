"""Handlers in processes of their own: `@jobs.handler(isolation="process")`.

What belongs here: cells, the child processes that run such handlers, one job at a time, and what
worker and cell say to each other. What does not: when a run is stopped (`executor`), what its end
leads to (`core.outcome`).

    calling  ──► cells  a pool; hands jobs out     cell     the child: imports the module, runs
                  │     ends who does not end   ◄──►  ▲      the handler, says how it ended
                  ▼                            frames │
                 keeper  starts one process, waits for its end
"""
