"""Figures: measured, stored as JSON, compared as ratios within one run. Never asserted as times."""
