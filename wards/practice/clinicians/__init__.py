"""The wards' staff at work through the gateway, and what their workplaces tell about it."""
