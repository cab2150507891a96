"""The API: whom it sees."""

from django.urls import path
from rest_framework.decorators import api_view, permission_classes
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.response import Response


def seen(request):
    """Who the API sees, and what it was sent."""
    user = request.user and request.user.id
    return Response({"user": user, "authorization": request.META.get("HTTP_AUTHORIZATION")})


@api_view(["GET", "POST"])
@permission_classes([IsAuthenticated])
def me(request):
    return seen(request)


@api_view(["GET"])
@permission_classes([AllowAny])
def anybody(request):
    return seen(request)


@api_view(["GET"])
@permission_classes([AllowAny])
def claims(request):
    return Response(request.auth and request.auth.payload)


urlpatterns = [path("api/me/", me), path("api/anybody/", anybody), path("api/claims/", claims)]
