"""Other arguments for a job do not bring to light what the former ones kept hidden."""

from __future__ import annotations

import msgspec

from boundary.jobs import Jobs
from boundary.jobs.shell.shown import shown

SECRET = "hunter2-and-more"


def test_a_former_secret_stays_hidden_in_errors(url: str) -> None:
    with Jobs(url) as jobs:

        @jobs.handler(max_retries=0)
        def sign_in(user: str, password: str) -> None:
            raise PermissionError(f"{user} was refused with {password}")

        job = sign_in.enqueue(user="ada", password=SECRET)
        jobs.worker().run_until_empty()
        action = jobs.new_action()
        edited = jobs.edit(job.id, {"user": "ada", "password": "another"}, by="ada", action=action)
        assert edited is not None
        assert edited.error is not None
        assert edited.error.message == "ada was refused with [redacted]"
        assert [run.error.message for run in edited.errors] == [edited.error.message]
        assert SECRET not in msgspec.json.encode(shown(edited)).decode()
        assert jobs.search(text=SECRET).jobs == ()

        jobs.undo(action, by="ada")
        back = jobs.find(job.id)
        assert back is not None
        assert back.args["password"] == SECRET
        assert back.error is not None
        assert back.error.message == f"ada was refused with {SECRET}"
        assert SECRET not in msgspec.json.encode(shown(back)).decode()


def test_errors_stay_as_they_are_while_a_secret_does(url: str) -> None:
    with Jobs(url) as jobs:

        @jobs.handler(max_retries=0)
        def sign_in(user: str, password: str) -> None:
            raise PermissionError(f"{user} was refused with {password}")

        job = sign_in.enqueue(user="ada", password=SECRET)
        jobs.worker().run_until_empty()
        edited = jobs.edit(job.id, {"user": "eve", "password": SECRET})
        assert edited is not None
        assert edited.error is not None
        assert SECRET in edited.error.message
