#!/usr/bin/env bash
# Start SLURM on this machine alone: a controller and a node on loopback, with all that they write in one folder.
# Usage, as root: workflow/slurm/start.sh; ...; workflow/slurm/stop.sh
set -euo pipefail
PATH=$PATH:/usr/sbin
folder=/run/ecmlib-slurm
conf=/etc/slurm/slurm.conf  # SLURM_CONF would not do: Snakemake's plugin hides it from the jobs

if [ "$(id -u)" != 0 ]; then
    echo "a SLURM of one's own needs root, to write $conf" >&2
    exit 1
fi
if [ -e "$conf" ]; then
    echo "$conf exists: this machine has a SLURM already (stop.sh ends one that start.sh began)" >&2
    exit 1
fi
if ! type munged slurmctld slurmd sbatch > /dev/null 2>&1; then
    if ! type apt-get > /dev/null 2>&1; then
        echo "SLURM is missing, and apt-get too: install munge and SLURM" >&2
        exit 1
    fi
    apt-get update --quiet=2
    DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends munge slurm-wlm > /dev/null
fi

rm -rf "$folder"
mkdir -p "$folder/controller" "$folder/node"
host=$(hostname -s)

# Ports are not SLURM's usual ones, so that a cluster which this machine belongs to is left in peace.
cat > "$folder/slurm.conf" << CONF
ClusterName=loopback
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
StateSaveLocation=$folder/controller
SlurmdSpoolDir=$folder/node
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$(awk '/MemTotal/ {print int($2 / 1024)}' /proc/meminfo)
PartitionName=all Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF

(umask 077 && head --bytes 1024 /dev/urandom > "$folder/munge.key")
munged --key-file "$folder/munge.key" --socket "$folder/munge.socket" --pid-file "$folder/munged.pid" \
    --log-file "$folder/munged.log" --seed-file "$folder/munged.seed"
mkdir -p "$(dirname "$conf")"
ln -sf "$folder/slurm.conf" "$conf"
slurmctld
slurmd
for _ in $(seq 100); do
    if [ "$(sinfo --noheader --format=%T 2> /dev/null)" = idle ]; then
        exit 0
    fi
    sleep 0.2
done
echo "SLURM did not come up: see the logs in $folder" >&2
"$(dirname "$0")/stop.sh"
exit 1
