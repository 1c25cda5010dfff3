"""DoctorBench: does the doctor find what is wrong? Run as `python -m benchmarks.doctorbench`."""
