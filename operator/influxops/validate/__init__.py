"""Manifests and scripts judged without a cluster: schema, templates, Flux, lints."""
