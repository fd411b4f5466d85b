"""Certificates: how wrong a likelihood is, measured, judged and put in words."""
