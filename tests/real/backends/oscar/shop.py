"""The shop's data: `make` makes it, `users` tells who is known there by now, with what is in their baskets."""

import json
import sys
from decimal import Decimal

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from oscar.core.loading import get_model  # noqa: E402
from oscar.test.factories import create_product  # noqa: E402

if sys.argv[1] == "make":
    call_command("migrate", verbosity=0)
    User.objects.create_superuser(username="admin", email="admin@example.com", password="admin")
    # Who is called at the shop as somebody calls himself at QQ.
    User.objects.create_user(username="小明", email="ming@example.com", password="ming")
    print(create_product(title="iPhone", price=Decimal("10.00"), num_in_stock=5).pk)
else:
    lines = get_model("basket", "Line").objects.filter(basket__status="Open", basket__owner__isnull=False)
    baskets = {line.basket.owner.username: line.quantity for line in lines}
    print(json.dumps({user.username: baskets.get(user.username, 0) for user in User.objects.all()}))
