"""Scoring block by block, on one machine or many: what is finished stays, and the same command does the rest.

DIR/bulk.json       what is scored, and by which run: another command may not go on in this folder
DIR/scores/         one Parquet file a block, whole or not there; a folder that pandas and Spark read as one table
DIR/report.html     rate of alarms, distribution of scores, the most anomalous, over all blocks
"""
