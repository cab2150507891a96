"""The API: whom it sees."""

from django.urls import path
from rest_framework.decorators import api_view, permission_classes
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.response import Response


def seen(request):
    """Who the API sees, and what it was sent."""
    authorization = request.META.get("HTTP_AUTHORIZATION")
    return Response({"id": request.user.id, "username": request.user.username, "authorization": authorization})


@api_view(["GET", "POST"])
@permission_classes([IsAuthenticated])
def me(request):
    return seen(request)


@api_view(["GET"])
@permission_classes([AllowAny])
def goods(request):
    return seen(request)


urlpatterns = [path("user/", me), path("goods/", goods)]
