#!/usr/bin/env bash
# Stop what start.sh has started, and leave its logs.
set -euo pipefail
folder=/run/ecmlib-slurm
conf=/etc/slurm/slurm.conf

if [ "$(readlink "$conf")" != "$folder/slurm.conf" ]; then
    echo "no SLURM that start.sh has started runs here" >&2
    exit 1
fi
scancel --user "$(id -un)" || true
for daemon in slurmd slurmctld munged; do
    if [ -s "$folder/$daemon.pid" ]; then
        pid=$(cat "$folder/$daemon.pid")
        kill "$pid" && timeout 10 tail --pid="$pid" --follow /dev/null || true
    fi
done
rm "$conf"
