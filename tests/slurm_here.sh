#!/bin/bash
# A SLURM of one machine with two make-believe GPUs, for `pytest -m slurm`: `tests/slurm_here.sh start|stop FOLDER`.
# As root, with Debian's slurm-wlm and munge, without systemd. `export SLURM_CONF=FOLDER/slurm.conf` before the tests.
set -euo pipefail
what=$1 folder=$(mkdir -p "$2" && cd "$2" && pwd)

if [ "$what" = stop ]; then
    for name in slurmd slurmctld munged; do
        if [ -f "$folder/$name.pid" ]; then kill "$(cat "$folder/$name.pid")" || true; fi
    done
    exit 0
fi

name=$(hostname -s)
chmod 755 "$folder"
mkdir -p "$folder/state" "$folder/spool" /run/munge /etc/munge
[ -s /etc/munge/munge.key ] || dd if=/dev/urandom of=/etc/munge/munge.key bs=1 count=1024 status=none
chown -R munge:munge /etc/munge /run/munge /var/log/munge /var/lib/munge
chmod 400 /etc/munge/munge.key
chmod 755 /run/munge
runuser -u munge -- munged --force
cp /run/munge/munged.pid "$folder/munged.pid"

cat > "$folder/slurm.conf" <<CONF
ClusterName=here
SlurmctldHost=$name(127.0.0.1)
AuthType=auth/munge
SlurmUser=root
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
GresTypes=gpu
ReturnToService=2
KillWait=5
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
NodeName=$name NodeAddr=127.0.0.1 Sockets=1 CoresPerSocket=$(nproc) ThreadsPerCore=1 RealMemory=4000 Gres=gpu:2
PartitionName=here Nodes=$name Default=YES MaxTime=INFINITE State=UP
CONF
printf 'CgroupPlugin=autodetect\nIgnoreSystemd=yes\n' > "$folder/cgroup.conf"
printf 'NodeName=%s Name=gpu File=/dev/null\nNodeName=%s Name=gpu File=/dev/zero\n' "$name" "$name" > "$folder/gres.conf"

export SLURM_CONF=$folder/slurm.conf
slurmctld -f "$SLURM_CONF"
slurmd -f "$SLURM_CONF"
for _ in $(seq 30); do
    sleep 1
    scontrol update nodename="$name" state=resume 2>/dev/null || true
    if sinfo -h -o %T | grep -q idle; then
        echo "ready; export SLURM_CONF=$SLURM_CONF"
        exit 0
    fi
done
sinfo -R
tail -n 5 "$folder"/*.log
exit 1
