"""A REST API as Django's tutorials set it up: it knows no users of its own and believes JWTs.

How they are verified comes from the environment: API_ALGORITHM, and API_SECRET or API_JWK_URL.
"""

import os

SECRET_KEY = "not the one that tokens are verified with"
ALLOWED_HOSTS = ["www.meiduo.site"]
ROOT_URLCONF = "api"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "rest_framework"]
USE_TZ = True
LOGGING = {
    "version": 1,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTStatelessUserAuthentication"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "UNAUTHENTICATED_USER": None,
}
SIMPLE_JWT = {
    "ALGORITHM": os.environ["API_ALGORITHM"],
    "SIGNING_KEY": os.environ.get("API_SECRET"),
    "JWK_URL": os.environ.get("API_JWK_URL"),
    "ISSUER": "http://www.meiduo.site",
    "AUDIENCE": "api",
}
