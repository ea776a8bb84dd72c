"""A practice EHR: a subset of FHIR R4 over HTTP, a store that survives, and faults on demand."""
