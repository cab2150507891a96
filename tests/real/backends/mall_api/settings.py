"""A shop's API as the tutorials set it up: users in a database of its own, tokens signed with its SECRET_KEY.

What differs comes from the environment: API_SECRET, API_DATABASE, API_AUTHENTICATION, and API_PAGES, an origin.
"""

import os

PAGES = os.environ.get("API_PAGES")

SECRET_KEY = os.environ["API_SECRET"]
ALLOWED_HOSTS = ["www.meiduo.site"]
ROOT_URLCONF = "api"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "rest_framework"]
MIDDLEWARE = []
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["API_DATABASE"]}}
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = True
LOGGING = {
    "version": 1,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [os.environ["API_AUTHENTICATION"]],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}
if PAGES:
    INSTALLED_APPS.append("corsheaders")
    MIDDLEWARE.append("corsheaders.middleware.CorsMiddleware")
    CORS_ALLOWED_ORIGINS = [PAGES]
    CORS_ALLOW_CREDENTIALS = True
