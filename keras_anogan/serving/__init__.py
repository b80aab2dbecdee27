"""From raw input to scores and alarms: one model to save, serve and export."""
