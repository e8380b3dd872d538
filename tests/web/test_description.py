"""The description is true: schemathesis asks whatever it allows, and whatever it does not."""

from __future__ import annotations

import re
from pathlib import Path

import hypothesis
import pytest
import schemathesis
from schemathesis.specs.openapi.checks import positive_data_acceptance

from boundary.jobs import Jobs, errors
from boundary.jobs.shell import web
from boundary.jobs.shell.web.app import ENDPOINTS
from boundary.jobs.shell.web.problems import CODES
from boundary.jobs.web import create_app
from tests.web.conftest import API, handlers

BY_GRAMMAR = {
    "put_schedule",
    "enqueue_job",
    "search_jobs",
    "series",
    "edit_schedule",
    "edit_job",
    "retry_jobs",
    "delete_jobs",
}
"""What follows rules no schema tells: cron, zones, a handler's own parameters, a store's cursors, one
of two that may not be given together."""


jobs = Jobs("memory://")
handlers(jobs)
schema = schemathesis.openapi.from_asgi(f"{API}/openapi.json", create_app(jobs))


@schema.exclude(path_regex="events$").parametrize()
@hypothesis.settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(hypothesis.HealthCheck),
)
@pytest.mark.filterwarnings("ignore")
def test_every_answer_is_as_described(case):
    loose = case.operation.definition.raw["operationId"] in BY_GRAMMAR
    case.call_and_validate(excluded_checks=[positive_data_acceptance] if loose else [])


def test_every_code_that_is_told_is_in_the_table_and_every_one_of_the_table_is_told():
    source = "".join(one.read_text() for one in Path(web.__file__).parent.rglob("*.py"))
    told = set(re.findall(r'Refusal\(\s*"(\w+)"', source))
    told |= {"no_such_route", "method_not_allowed", "refused"}  # as the framework's own errors are
    assert told == set(CODES)
    assert not set(CODES) & {kind.code for kind in vars(errors).values() if hasattr(kind, "code")}


def test_every_endpoint_is_described_by_a_sentence():
    for one in ENDPOINTS:
        assert (one.call.__doc__ or "").strip().endswith(".")
