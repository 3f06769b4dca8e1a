/** Scheduling and shutdown. Source: xen/include/public/sched.h @ RELEASE-4.18.0 */
import { ptr, s32, struct, u16, u32, u64 } from './struct.ts';

export const SCHEDOP_yield = 0;
/** Clears the event mask, then sleeps until an event is pending. */
export const SCHEDOP_block = 1;
export const SCHEDOP_shutdown = 2;
/** Sleeps until one of a list of ports is pending or a time has passed. */
export const SCHEDOP_poll = 3;
export const SCHEDOP_remote_shutdown = 4;
/** Records the reason without stopping. */
export const SCHEDOP_shutdown_code = 5;
export const SCHEDOP_watchdog = 6;
export const SCHEDOP_pin_override = 7;
/** Sub-operations of sched_op, by name. */
export const SCHEDOP = {
  SCHEDOP_yield,
  SCHEDOP_block,
  SCHEDOP_shutdown,
  SCHEDOP_poll,
  SCHEDOP_remote_shutdown,
  SCHEDOP_shutdown_code,
  SCHEDOP_watchdog,
  SCHEDOP_pin_override,
} as const;

/** Reasons of a shutdown. */
export const SHUTDOWN_poweroff = 0;
export const SHUTDOWN_reboot = 1;
export const SHUTDOWN_suspend = 2;
export const SHUTDOWN_crash = 3;
export const SHUTDOWN_watchdog = 4;
export const SHUTDOWN_soft_reset = 5;
/** Highest reason. */
export const SHUTDOWN_MAX = 5;

/** struct sched_shutdown. */
export const SchedShutdown = struct('sched_shutdown', { reason: u32 });

/** struct sched_poll. */
export const SchedPoll = struct('sched_poll', {
  ports: ptr, // evtchn_port_t[nr_ports]
  nr_ports: u32,
  timeout: u64, // absolute system time in ns; 0: none
});

/** struct sched_remote_shutdown. */
export const SchedRemoteShutdown = struct('sched_remote_shutdown', { domain_id: u16, reason: u32 });

/** struct sched_watchdog. */
export const SchedWatchdog = struct('sched_watchdog', {
  id: u32, // 0 allocates
  timeout: u32, // seconds; 0 stops
});

/** struct sched_pin_override. */
export const SchedPinOverride = struct('sched_pin_override', { pcpu: s32 });
