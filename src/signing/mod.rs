//! A port of `django.core.signing`.
