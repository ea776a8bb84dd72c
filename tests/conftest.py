"""What holds for every test: none depends on being fast."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "wardshift", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("wardshift")
