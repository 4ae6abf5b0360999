"""One thread a process. Results must not depend on the number of cores: sums change with the thread
count, and several workers with several threads each only fight over the same cores."""

ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENCV_FOR_THREADS_NUM": "1",
    "HF_HUB_OFFLINE": "1",  # without it each look-up of an absent hub file takes 23 s to fail
}
