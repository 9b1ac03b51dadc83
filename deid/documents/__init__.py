"""What is asked and allowed: requests, policies and sites as they are written."""
