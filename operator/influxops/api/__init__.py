"""What users write: the kinds of group influxops.dev, as models. The CRDs are generated from them."""
