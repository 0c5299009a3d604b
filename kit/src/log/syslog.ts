import { hostname } from 'node:os'
import type { LogSettings } from './options.ts'
import type { LogSink, LossNotice } from './sink.ts'

/** Opens the way to the syslog of the settings, and loads no other. */
export async function openSyslog(
  tag: string,
  { target, facility }: NonNullable<LogSettings['syslog']>,
  notice: LossNotice,
): Promise<LogSink> {
  const sender = { facility, tag, pid: process.pid, host: hostname() }
  switch (target.kind) {
    case 'local':
      return (await import('./syslog-local.ts')).syslogLocal(target.socket, sender, notice)
    case 'udp':
      return (await import('./syslog-udp.ts')).syslogUdp(target, sender, notice)
    case 'tcp':
      return (await import('./syslog-tcp.ts')).syslogTcp(target, sender, notice)
  }
}
