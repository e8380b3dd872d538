"""The web application: `flask run` finds `create_app`."""

from __future__ import annotations

import os

from flask import Flask, abort, jsonify, request, url_for
from flask.typing import ResponseReturnValue
from tasks import export, jobs

from boundary.jobs import UsageError


def create_app(**settings: object) -> Flask:
    app = Flask(__name__)
    app.config.from_mapping({"EXPORTS": os.environ.get("EXPORTS", "exports"), **settings})

    @app.post("/exports")
    def ask() -> ResponseReturnValue:
        job = export.enqueue(customer=request.form["customer"])
        return jsonify(job=job.id, look=url_for("look", job_id=job.id)), 202

    @app.get("/jobs/<job_id>")
    def look(job_id: str) -> ResponseReturnValue:
        try:
            job = jobs.find(job_id)
        except UsageError as error:
            abort(400, str(error))
        if job is None:
            abort(404, f"there is no job {job_id}")
        return jsonify(status=job.status, result=job.result)

    return app
