"""Makes the database, with the users that the shop has had for long."""

import django
from django.core.management import call_command

django.setup()
call_command("migrate", verbosity=0)

from django.contrib.auth.models import User  # noqa: E402

User.objects.create_superuser(id=1, username="admin", password="admin")
User.objects.create_user(id=42, username="ming", password="ming")
User.objects.create_user(id=43, username="hong", password="hong")
