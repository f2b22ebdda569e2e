#!/usr/bin/env bash
# Stop what start.sh has started, and leave its logs: workflow/slurm/stop.sh FOLDER
set -euo pipefail
conf=/etc/slurm/slurm.conf

if [ "$(readlink "$conf")" != "$(cd "$1" && pwd)/slurm.conf" ]; then
    echo "$1 is not the SLURM that runs here" >&2
    exit 1
fi
scancel --user "$(id -un)" || true
for daemon in slurmd slurmctld munged; do
    if [ -s "$1/$daemon.pid" ]; then
        kill "$(cat "$1/$daemon.pid")" || true
    fi
done
rm "$conf"
