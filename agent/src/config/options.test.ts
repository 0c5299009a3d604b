import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { type AgentConfig, loadAgentConfig } from './load.ts'
import { AGENT_OPTIONS } from './options.ts'

const folder = mkdtempSync(join(tmpdir(), 'ostler-options-'))
afterAll(() => rmSync(folder, { recursive: true }))

type Key = keyof typeof AGENT_OPTIONS
const KEYS = Object.keys(AGENT_OPTIONS) as Key[]

/** The keys of QVD 4.2 that its VM agent reads, with the defaults that QVD ships (compatibility page 10.2). */
const QVD: Readonly<Record<string, string>> = {
  'path.run': '/var/run/qvd',
  'path.log': '/var/log/qvd',
  'path.tmp': '/var/tmp',
  'path.vma.run.printing': '${path.run}/printing',
  'path.qvd.root': '/usr/lib/qvd',
  'path.qvd.bin': '/usr/lib/qvd/bin',
  'path.qvd.etc': '/usr/lib/qvd/etc',
  'path.pulseaudio.modules.base': 'lib64',
  'log.filename': '${path.log}/qvd.log',
  'log.level': 'INFO',
  'command.nxagent': '/usr/bin/nxagent',
  'command.nxdiag': '${path.qvd.bin}/nxdiag.pl',
  'command.x-session': '/etc/X11/Xsession',
  'command.xinit': 'xinit',
  'command.xhost': 'xhost',
  'command.xhost.family': 'si',
  'command.nxagent.args.extra': '',
  'command.x-session.args.extra': '',
  'command.useradd': '/usr/sbin/useradd',
  'command.userdel': '/usr/sbin/userdel',
  'command.groupadd': '/usr/sbin/groupadd',
  'command.groupdel': '/usr/sbin/groupdel',
  'command.sshfs': '${path.qvd.bin}/sshfs',
  'command.open_file': 'xdg-open',
  'command.sftp-server': '/usr/lib/openssh/sftp-server',
  'command.slaveclient': '${path.qvd.bin}/qvd-slaveclient',
  'command.x11vnc': '/usr/bin/x11vnc',
  'command.qvd-pulseaudio': '${path.qvd.bin}/pulseaudio',
  'command.qvd-client': '${path.qvd.bin}/qvd-client.pl',
  'command.lpadmin': '/usr/sbin/lpadmin',
  'command.lpstat': '/usr/bin/lpstat',
  'command.smbclient': '/usr/bin/smbclient',
  'command.cupsenable': '/usr/sbin/cupsenable',
  'command.cupsaccept': '/usr/sbin/cupsaccept',
  'command.systemctl': '/bin/systemctl',
  'command.init_d.cups': '/etc/init.d/cups',
  'command.mknod': 'mknod',
  'command.setfacl': 'setfacl',
  'command.usbip': '/usr/bin/usbip',
  'internal.vm.port.vma': '3030',
  'vma.audio.enable': '0',
  'vma.slave.enable': '0',
  'vma.printing.enable': '0',
  'vma.slave.command': '${path.qvd.bin}/qvd-vma-slaveserver',
  'vma.slave.command.qvd-vma-slaveserver-usbip': '${path.qvd.bin}/qvd-vma-slaveserver-usbip',
  'vma.sshfs.extra_args': '-o idmap=user -o atomic_o_trunc',
  'vma.user.shares.path': '~/Redirected',
  'vma.pid_file': '/var/run/qvd/vma.pid',
  'vma.as_user': 'root',
  'vma.as_group': 'nogroup',
  'vma.user.umask': '0022',
  'vma.default.lang': 'en_US.UTF-8',
  'vma.apps.desktop_icons.enable': '0',
  'vma.user.home.drive': '/dev/vdb',
  'vma.user.home.fs': 'ext4',
  'vma.user.home.path': '/home',
  'vma.user.shell': '/bin/bash',
  'vma.user.default.name': 'qvd',
  'vma.user.default.groups': 'qvduser',
  'vma.x11vnc.confirm.enabled': '1',
  'vma.x11vnc.confirm.command': '/usr/lib/qvd/bin/qvdspy-notifier',
  'vma.x11vnc.extra_args': '',
  'vma.usb.usbip.debug': '0',
  'vma.usb.usbip.log': '0',
  'createdevice.acl.enable': '1',
  'createdevice.acl.group': 'qvduser',
  'createdevice.acl.permissions': 'rw',
  'vma.on_action.pre-connect': '',
  'vma.on_action.connect': '',
  'vma.on_action.stop': '',
  'vma.on_action.disconnect': '',
  'vma.on_action.suspend': '',
  'vma.on_action.poweroff': '',
  'vma.on_action.expire': '',
  'vma.on_state.connected': '',
  'vma.on_state.suspended': '',
  'vma.on_state.disconnected': '',
  'vma.on_provisioning.mount_home': '',
  'vma.on_provisioning.add_user': '',
  'vma.on_provisioning.after_add_user': '',
  'vma.default.client.keyboard': 'pc105/en',
  'vma.default.client.link': 'adsl',
  'internal.nxagent.display': '100',
  'internal.nxagent.timeout.initiating': '20',
  'internal.nxagent.timeout.listening': '10',
  'internal.nxagent.timeout.suspending': '20',
  'internal.nxagent.timeout.stopping': '20',
  'internal.vma.nxagent.tolerancechecks': 'risky',
  'internal.vma.on_printing.connected': '${path.qvd.bin}/qvd-printing',
  'internal.vma.on_printing.suspended': '${path.qvd.bin}/qvd-printing',
  'internal.vma.on_printing.stopped': '${path.qvd.bin}/qvd-printing',
  'internal.vma.printing.config': '${path.run}/printing.conf',
  'internal.vma.printing.timeout': '120',
  'internal.vma.slave.config': '${path.run}/slave.conf',
  'internal.vma.nxagent.config': '${path.run}/nxagent.conf',
  'internal.vma.pulseaudio.config': '${path.run}/default.pa',
  'internal.vma.use.systemctl': '1',
  'internal.vma.systemd.cups': "'cups'",
}

/** Where our default is another one, and why. */
const OURS: Readonly<Record<string, { readonly value: string; readonly why: string }>> = {
  'command.nxdiag': {
    value: '/bin/true',
    why: "QVD's nxdiag.pl is not ours to ship; nobody answers nxagent's questions, as there",
  },
  'command.qvd-pulseaudio': {
    value: '/usr/bin/pulseaudio',
    why: 'we ship no PulseAudio of our own: it is the one of the image',
  },
  'command.sshfs': { value: 'sshfs', why: 'we ship no sshfs of our own: it is the one of the image' },
  'vma.x11vnc.confirm.command': {
    value: 'popup',
    why: "QVD's notifier is not ours to ship: x11vnc asks the user itself",
  },
  'vma.default.client.keyboard': {
    value: 'pc105/us',
    why: 'there is no layout "en"; QVD never used its default, and we do',
  },
}

/** The options when nothing is set. @param qvd the file is QVD's */
function defaults({ qvd = false } = {}): AgentConfig {
  const empty = join(folder, 'empty.conf')
  writeFileSync(empty, '')
  return loadAgentConfig({ own: '/no/such/file', qvd: qvd ? empty : '/no/such/file' })
}

function isKnown(key: string): key is Key {
  return Object.hasOwn(AGENT_OPTIONS, key)
}

/** What a value of QVD's is when all keys have QVD's defaults. */
function resolved(value: string): string {
  return value.replaceAll(/\$\{([^}]*)\}/g, (_, key: string) => resolved(QVD[key] ?? ''))
}

test('every key of QVD is known', () => {
  expect(Object.keys(QVD).filter((key) => !isKnown(key))).toEqual([])
})

describe('with a file of QVD', () => {
  const config = defaults({ qvd: true })

  test.each(Object.keys(QVD).filter((key) => !(key in OURS)))("%s is QVD's", (key) => {
    if (!isKnown(key)) throw new Error('nobody knows it')
    expect(config.text(key)).toBe(resolved(QVD[key] ?? ''))
  })

  const ours = Object.entries(OURS).map(([key, other]) => ({ key, ...other }))
  test.each(ours)('$key is $value: $why', ({ key, value }) => {
    if (!isKnown(key)) throw new Error('nobody knows it')
    expect(QVD).toHaveProperty([key])
    expect(config.text(key)).toBe(value)
    expect(value).not.toBe(resolved(QVD[key] ?? ''))
  })
})

test('without a file of QVD the folders of the run and of the logs are ours, and what lies in them', () => {
  const [own, qvd] = [defaults(), defaults({ qvd: true })]
  const moved = KEYS.filter((key) => own.text(key) !== qvd.text(key))
  expect(own.values['path.run']).toBe('/run/ostler/session')
  expect(own.values['path.log']).toBe('/var/log/ostler')
  for (const key of moved)
    expect(own.text(key)).toBe(
      qvd.text(key).replace('/var/run/qvd', '/run/ostler/session').replace('/var/log/qvd', '/var/log/ostler'),
    )
})

test('a key that QVD does not have says so', () => {
  const silent = KEYS.filter((key) => !(key in QVD) && !AGENT_OPTIONS[key].summary.includes('not in QVD'))
  // Those of the log belong to every program of ours.
  expect(silent.filter((key) => !key.startsWith('log.'))).toEqual([])
})

test('every key has a sentence, and a default', () => {
  for (const key of KEYS) {
    expect(AGENT_OPTIONS[key].summary).not.toBe('')
    expect(AGENT_OPTIONS[key].default).toBeDefined()
  }
})

test("a file that sets every key to QVD's default is accepted without a word", () => {
  const file = join(folder, 'all.conf')
  writeFileSync(
    file,
    Object.entries(QVD)
      .map(([key, value]) => `${key} = ${value}\n`)
      .join(''),
  )
  expect(loadAgentConfig({ own: '/no/such/file', qvd: file }).warnings).toEqual([])
})
