"""A usual API of the Django REST framework."""

from rest_framework.permissions import IsAdminUser, IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import APIView


class Items(APIView):
    permission_classes = [IsAuthenticated]
    renderer_classes = [JSONRenderer]

    def get(self, request):
        return Response({"user": request.user.get_username()})

    post = get


class Staff(Items):
    permission_classes = [IsAdminUser]
