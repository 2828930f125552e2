"""The pages of the test site, and how Django itself recognises a visitor."""

import json
import time

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.sessions.models import Session
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from accounts import people

# The permission that the demo's button grants and removes.
LETTERS = "accounts.read_letters"


def home(request):
    return render(request, "home.html", {"cart": request.session.get("cart", 0)})


@login_required
def account(request):
    return render(
        request,
        "account.html",
        {"ends": expire_date(request), "permissions": permissions_of(request.user), "keys": list(request.session.keys())},
    )


def cart(request):
    held = request.session.get("cart", 0)
    if request.method == "POST":
        request.session["cart"] = held + 1
        messages.success(request, "Django put one into your cart.", fail_silently=True)
        return redirect("cart")
    return render(request, "cart.html", {"cart": held})


@login_required
@require_POST
def permission(request):
    """Grants LETTERS, or removes it. The page that needs it is in Rust."""
    held, letters = request.user.user_permissions, people.permissions_of([LETTERS])[0]
    if held.filter(pk=letters.pk).exists():
        held.remove(letters)
        messages.warning(request, f"Django took {LETTERS} from you.", fail_silently=True)
    else:
        held.add(letters)
        messages.success(request, f"Django granted you {LETTERS}.", fail_silently=True)
    return redirect(f"{settings.RUST_URL}/dashboard")


def me(request):
    """The same text as the Rust side of the demo answers at this path."""
    if not request.user.is_authenticated:
        return JsonResponse({"error": "not logged in"}, status=401)
    user = request.user
    return JsonResponse({"id": str(user.pk), "username": user.get_username(), "permissions": permissions_of(user)})


@login_required
def protected(request):
    return JsonResponse({"path": request.get_full_path()})


def user(request):
    """The smallest view for a logged-in visitor, for the benchmarks."""
    return HttpResponse(request.user.pk if request.user.is_authenticated else "anonymous")


def visit(request):
    """The smallest view that changes its session, for the benchmarks."""
    request.session["seen"] = int(time.time())
    return user(request)


def whoami(request):
    """How Django recognises the visitor, for the tests. An exception becomes a 500 with its name."""
    try:
        return JsonResponse(describe(request))
    except Exception as error:
        message = str(error).encode("utf-8", "backslashreplace").decode()
        return JsonResponse({"error": type(error).__name__, "message": message}, status=500)


def describe(request):
    user = request.user
    known = user.is_authenticated
    ends = expire_date(request)
    return {
        "is_authenticated": known,
        "user_id": user._meta.pk.value_to_string(user) if known else None,
        "username": user.get_username(),
        "is_active": user.is_active,
        "is_staff": getattr(user, "is_staff", False),
        "is_superuser": getattr(user, "is_superuser", False),
        "permissions": permissions_of(user),
        "session_key": request.session.session_key,
        # Text, because it may hold what JSON parsers refuse: NaN, lone surrogates, integers of any size.
        "session": json.dumps(dict(request.session.items())),
        "expire_date": ends and ends.isoformat(timespec="microseconds"),
    }


def permissions_of(user):
    every = getattr(user, "get_all_permissions", None)
    return sorted(every()) if every else []


def expire_date(request):
    """The row's expire_date; `get_expiry_date()` would return the date for a save at this moment."""
    key = request.session.session_key
    return key and Session.objects.filter(session_key=key).values_list("expire_date", flat=True).first()
