"""What all tests share; modules beside this file can be imported by every test."""
