"""What holds for every test: none depends on being fast."""

import logging

import structlog
from hypothesis import HealthCheck, settings

settings.register_profile(
    "wardshift", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("wardshift")

# As the processes have it: each tick is told only to who asks for it.
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
