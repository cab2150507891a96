"""Django's own, told the name of the header: what comes by HTTP has that prefix there."""

from django.contrib.auth.middleware import RemoteUserMiddleware


class MenshenUser(RemoteUserMiddleware):
    header = "HTTP_REMOTE_USER"
