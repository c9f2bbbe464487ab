#!/bin/sh
# A Slurm of this one machine, for the tests marked `slurm`: as root, on Debian or Ubuntu with slurm-wlm installed.
#
#   apt-get install -y slurm-wlm
#   tests/support/slurm_setup.sh start && SLURM_PARTITION=here pytest -m slurm; tests/support/slurm_setup.sh stop
#
# It listens on this machine only, keeps no accounts (so no sacct), and writes to /etc/slurm, /etc/munge and PLACE. Jobs
# of the partition `urgent` push those of `here` back into the queue.
set -eu
PLACE=${PLACE:-/var/tmp/lm-slurm}

start() {
  mkdir -p "$PLACE/state" "$PLACE/spool" /run/munge /var/log/munge /etc/munge /etc/slurm
  [ -s /etc/munge/munge.key ] || dd if=/dev/urandom of=/etc/munge/munge.key bs=128 count=1 2>/dev/null
  chown -R munge: /etc/munge /run/munge /var/log/munge
  chmod 400 /etc/munge/munge.key
  cat >/etc/slurm/slurm.conf <<CONF
ClusterName=here
SlurmctldHost=localhost(127.0.0.1)
SlurmUser=root
SlurmctldPidFile=$PLACE/slurmctld.pid
SlurmdPidFile=$PLACE/slurmd.pid
SlurmctldLogFile=$PLACE/slurmctld.log
SlurmdLogFile=$PLACE/slurmd.log
StateSaveLocation=$PLACE/state
SlurmdSpoolDir=$PLACE/spool
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobRequeue=1
ReturnToService=2
MinJobAge=3600
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthInfo=cred_expire=10
KillWait=30
SchedulerParameters=sched_interval=1
NodeName=localhost NodeAddr=127.0.0.1 CPUs=$(nproc --all) RealMemory=$(awk '/MemTotal/ {print int($2 * 0.8 / 1024)}' /proc/meminfo)
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=here Nodes=ALL Default=YES MaxTime=INFINITE PriorityTier=1
PartitionName=urgent Nodes=ALL MaxTime=INFINITE PriorityTier=2
CONF
  runuser -u munge -- munged
  slurmctld
  slurmd
}

stop() {
  for name in slurmd slurmctld; do
    [ -e "$PLACE/$name.pid" ] && kill "$(cat "$PLACE/$name.pid")" || true
  done
  [ -e /run/munge/munged.pid ] && kill "$(cat /run/munge/munged.pid)" || true
}

"$1"
