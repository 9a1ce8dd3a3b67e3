# Long jobs by name; scripts/ has the daily ones.
.PHONY: table1-pocket
table1-pocket:  ## the paper's Table 1 in miniature, on held-out scenes of the pocket world
	PYTHONPATH=. OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.table1_pocket
