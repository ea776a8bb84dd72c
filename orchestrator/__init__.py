"""Wardshift: a staged EHR rollout that can always go back."""
