"""What `boundary-jobs worker mysite.worker` imports: Django first, then the jobs."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
django.setup()

from orders.tasks import jobs  # noqa: E402

__all__ = ["jobs"]
