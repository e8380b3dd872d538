from __future__ import annotations

from functools import partial

from asgiref.sync import sync_to_async
from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from orders.models import Order
from orders.tasks import confirm


def place_order(customer: str) -> Order:
    """The order is stored, and confirmed once that is so for good."""
    if not customer:
        raise ValueError("an order has a customer")
    with transaction.atomic():
        order = Order.objects.create(customer=customer)
        transaction.on_commit(partial(confirm.enqueue, number=order.pk))
    return order


@csrf_exempt  # for the example's curl
@require_POST
def place(request: HttpRequest) -> JsonResponse:
    order = place_order(request.POST["customer"])
    return JsonResponse({"order": order.pk}, status=202)


@csrf_exempt
@require_POST
async def place_async(request: HttpRequest) -> JsonResponse:
    """Django's transactions block, so the whole of it goes to a thread, enqueue and all."""
    order = await sync_to_async(place_order)(request.POST["customer"])
    return JsonResponse({"order": order.pk}, status=202)


def look(_: HttpRequest, number: int) -> JsonResponse:
    order = get_object_or_404(Order, pk=number)
    return JsonResponse({"status": order.status, "confirmations": order.confirmations})
