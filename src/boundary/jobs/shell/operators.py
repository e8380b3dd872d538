"""What operators ask and do, each written once as steps: why a job does not run.

What belongs here: flows for the person on call. What does not: what every caller can do (`flows`),
and what an answer means (`core`).
"""

from __future__ import annotations

from boundary.jobs.core import why as reasons
from boundary.jobs.core.operations import Explain
from boundary.jobs.core.why import Why
from boundary.jobs.shell.flows import Flow, JobId, ask
from boundary.jobs.shell.options import as_id


def why(job_id: JobId) -> Flow[Why | None]:
    """Why the job is not running, at this moment. None: no such job."""
    facts = yield from ask(Explain(as_id(job_id)))
    return None if facts is None else reasons.why(facts)
