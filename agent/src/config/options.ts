import { flag, integer, oneOf, optional, path, program, text, type Values } from '@ostler/kit/config.ts'
import { parsePorts } from '@ostler/contract/slave-port-list.ts'
import { BOOT_PORT } from '@ostler/contract/virtual-machine.ts'
import { logOptions } from '@ostler/kit/log/options.ts'
import { parseUsbRule } from '../usb/usb-rule.ts'

const hookLimit = (name: string) =>
  optional(integer(`seconds for the hook ${name}; empty: the limit of its class (not in QVD)`, 60, 1, 3_600))
const hook = (when: string) => text(`hook: ${when}; empty: none`, '')
const seconds = (what: string, fallback: number) => integer(`seconds ${what}`, fallback, 1, 3_600)

/**
 * Every key of `vma.conf`, with QVD's names (compatibility page 10.2). Keys that QVD does not have say so. Keys of parts that
 * are not built yet are known, so that an existing file gives no warning about them.
 */
export const AGENT_OPTIONS = {
  'path.run': path('run-time state of the session', '/run/ostler/session'),
  'path.log': path('folder of the logs', '/var/log/ostler'),
  'path.tmp': path('temporary files', '/var/tmp'),
  'path.qvd.root': path('prefix of an installation', '/usr/lib/qvd'),
  'path.qvd.bin': path('programs of an installation', '${path.qvd.root}/bin'),
  'path.qvd.etc': path('data of an installation', '${path.qvd.root}/etc'),
  'path.vma.run.printing': path('work folder of the printer descriptions', '${path.run}/printing'),
  'path.pulseaudio.modules.base': text('where PulseAudio has its modules', 'lib64'),

  ...logOptions({ filename: '${path.log}/qvd.log' }),

  'command.nxagent': program('the X agent', '/usr/bin/nxagent'),
  'command.nxagent.args.extra': text('more arguments for the X agent, separated by blanks', ''),
  'command.nxdiag': program('what the X agent calls to ask the user something', '/bin/true'),
  'command.nxproxy': program('seeds a session that a browser opens first (not in QVD)', '/usr/bin/nxproxy'),
  'command.xinit': program('starts the X agent and the session', 'xinit'),
  'command.xvfb': program('screen of a seeded session (not in QVD)', 'Xvfb'),
  'command.xhost': program('not used: the session has a cookie', 'xhost'),
  'command.xhost.family': text('not used: the session has a cookie', 'si'),
  'command.x-session': program('the program of the session; its end ends the session', '/etc/X11/Xsession'),
  'command.x-session.args.extra': text('more arguments for it, separated by blanks', ''),
  'command.x11vnc': program('shows the session to browsers and to the support', '/usr/bin/x11vnc'),
  'command.xrdp': program('shows the session to RDP clients (not in QVD)', '/usr/sbin/xrdp'),
  'command.xrdp-keygen': program('makes the keys that it insists on (not in QVD)', '/usr/bin/xrdp-keygen'),
  'command.setpriv': program('changes to the user (not in QVD)', 'setpriv'),
  'command.runuser': program('opens a login shell for the console (not in QVD)', '/sbin/runuser'),
  'command.useradd': program('makes accounts', '/usr/sbin/useradd'),
  'command.userdel': program('removes half-made accounts', '/usr/sbin/userdel'),
  'command.groupadd': program('makes groups', '/usr/sbin/groupadd'),
  'command.groupdel': program('removes half-made groups', '/usr/sbin/groupdel'),
  'command.sshfs': program('mounts folders of the client', 'sshfs'),
  'command.sftp-server': program('serves folders', '/usr/lib/openssh/sftp-server'),
  'command.open_file': program('opens a document', 'xdg-open'),
  'command.slaveclient': program('calls the client', '${path.qvd.bin}/qvd-slaveclient'),
  'command.qvd-pulseaudio': program('sound server, where none runs', '/usr/bin/pulseaudio'),
  'command.pactl': program('speaks to it (not in QVD)', '/usr/bin/pactl'),
  'command.qvd-client': program('makes desktop icons', '${path.qvd.bin}/qvd-client.pl'),
  'command.lpadmin': program('adds printers', '/usr/sbin/lpadmin'),
  'command.lpstat': program('lists printers', '/usr/bin/lpstat'),
  'command.smbclient': program('lists printers of Windows', '/usr/bin/smbclient'),
  'command.cupsenable': program('enables printers', '/usr/sbin/cupsenable'),
  'command.cupsaccept': program('lets printers accept jobs', '/usr/sbin/cupsaccept'),
  'command.systemctl': program('starts the printing service', '/bin/systemctl'),
  'command.init_d.cups': program('starts the printing service without systemd', '/etc/init.d/cups'),
  'command.mknod': program('makes device nodes', 'mknod'),
  'command.setfacl': program('opens device nodes for a group', 'setfacl'),
  'command.usbip': program('attaches USB devices', '/usr/bin/usbip'),

  'vma.pid_file': path('not used: the agent is known by its port', '/var/run/qvd/vma.pid'),
  'vma.as_user': oneOf('the agent must be root', ['root'], 'root'),
  'vma.as_group': text('not used: the agent keeps its group', 'nogroup'),
  'vma.user.umask': text('umask of the session, octal', '0022'),
  'vma.user.shell': path('login shell of new accounts', '/bin/bash'),
  'vma.user.default.name': text('account when the parameters name none', 'qvd'),
  'vma.user.default.groups': text('extra groups of new accounts, separated by commas', 'qvduser'),
  'vma.user.home.path': path('folder of the homes', '/home'),
  'vma.user.home.drive': text('disk for the homes; used when it is there', '/dev/vdb'),
  'vma.user.home.fs': oneOf('file system of that disk', ['ext4', 'ext3', 'ext2', 'xfs', 'btrfs'], 'ext4'),
  'vma.user.shares.path': text("where the client's folders appear in the home", '~/Redirected'),
  'vma.default.lang': text('LANG when neither client nor system says one', 'en_US.UTF-8'),
  'vma.default.client.keyboard': text('keyboard when the client names none', 'pc105/us'),
  'vma.default.client.link': text('link when the client names none', 'adsl'),
  'vma.apps.desktop_icons.enable': flag('icons of published applications', false),

  'vma.slave.enable': flag('folders and ports of the client', false),
  'vma.slave.command': text(
    "serves them: a program that is started for each stream; QVD's own means the agent",
    '${path.qvd.bin}/qvd-vma-slaveserver',
  ),
  'vma.slave.forward.ports': {
    default: '',
    summary: 'ports of this desktop that its user may reach through the client, as 22,8000-8010 (not in QVD)',
    parse: parsePorts,
  },
  'vma.slave.command.qvd-vma-slaveserver-usbip': text(
    'USB of the client',
    '${path.qvd.bin}/qvd-vma-slaveserver-usbip',
  ),
  'vma.sshfs.extra_args': text('more arguments for sshfs', '-o idmap=user -o atomic_o_trunc'),
  'vma.audio.enable': flag('sound of the client', false),
  'vma.printing.enable': flag('printers of the client', false),
  'vma.usb.devices': {
    default: 'off',
    summary: 'USB devices of the client: off, all, or some as 046d:c31c,0781:* (not in QVD)',
    parse: parseUsbRule,
  },
  'vma.usb.usbip.debug': flag('debug USB', false),
  'vma.usb.usbip.log': flag('log USB', false),
  'createdevice.acl.enable': flag('open new device nodes for a group', true),
  'createdevice.acl.group': text('that group', 'qvduser'),
  'createdevice.acl.permissions': text('its permissions', 'rw'),

  'vma.x11vnc.confirm.enabled': flag('ask the user before the support sees her screen', true),
  'vma.x11vnc.confirm.command': text(
    'asks her: a program whose exit 0 means yes, or "popup" for a window of x11vnc itself',
    'popup',
  ),
  'vma.x11vnc.extra_args': text('more arguments for x11vnc, separated by blanks', ''),

  'vma.console.enable': flag('administrators may open a login shell (not in QVD)', true),
  'vma.compat.plaintext': flag(
    'speak plain HTTP to the l7r and hkd of a QVD installation, without any authentication (not in QVD)',
    false,
  ),

  'vma.on_action.pre-connect': hook('first thing at every connect'),
  'vma.on_action.connect': hook('before nxagent starts, or after it was woken'),
  'vma.on_action.stop': hook('before the session is stopped on request'),
  'vma.on_action.disconnect': hook('known to QVD and never run by it; use vma.on_state.suspended'),
  'vma.on_action.suspend': hook('before the session is suspended on request'),
  'vma.on_action.poweroff': hook('before the desktop is halted'),
  'vma.on_action.expire': hook('when the desktop is about to expire'),
  'vma.on_state.connected': hook('a client has connected'),
  'vma.on_state.suspended': hook('the client has gone'),
  'vma.on_state.disconnected': hook('the session has ended'),
  'vma.on_provisioning.mount_home': hook('makes the home available, instead of the drive'),
  'vma.on_provisioning.add_user': hook('makes the account, instead of useradd'),
  'vma.on_provisioning.after_add_user': hook('the account was just made'),

  'vma.hook.timeout': seconds('for an action or state hook (not in QVD)', 60),
  'vma.hook.timeout.provisioning': seconds('for a provisioning hook (not in QVD)', 300),
  'vma.on_action.pre-connect.timeout': hookLimit('pre-connect'),
  'vma.on_action.connect.timeout': hookLimit('connect'),
  'vma.on_action.stop.timeout': hookLimit('stop'),
  'vma.on_action.suspend.timeout': hookLimit('suspend'),
  'vma.on_action.poweroff.timeout': hookLimit('poweroff'),
  'vma.on_action.expire.timeout': hookLimit('expire'),
  'vma.on_state.connected.timeout': hookLimit('connected'),
  'vma.on_state.suspended.timeout': hookLimit('suspended'),
  'vma.on_state.disconnected.timeout': hookLimit('disconnected'),
  'vma.on_provisioning.mount_home.timeout': hookLimit('mount_home'),
  'vma.on_provisioning.add_user.timeout': hookLimit('add_user'),
  'vma.on_provisioning.after_add_user.timeout': hookLimit('after_add_user'),

  'internal.vm.port.vma': integer('port of the agent', 3030, 1, 65_535),
  'internal.vma.boot.port': path(
    'virtio port of boot tickets (not in QVD)',
    `/dev/virtio-ports/${BOOT_PORT}`,
  ),
  'internal.nxagent.display': integer('X display number', 100, 1, 999),
  'internal.nxagent.timeout.initiating': seconds('until nxagent listens', 20),
  'internal.nxagent.timeout.listening': seconds('until a client joins', 10),
  'internal.nxagent.timeout.suspending': seconds('until nxagent has suspended', 20),
  'internal.nxagent.timeout.stopping': seconds('until nxagent has ended', 20),
  'internal.vma.nxagent.tolerancechecks': oneOf(
    'how much the versions of the two NX ends may differ',
    ['strict', 'safe', 'risky', 'bypass', 'none'],
    'risky',
  ),
  'internal.vma.nxagent.config': path('option file of nxagent', '${path.run}/nxagent.conf'),
  'internal.vma.slave.config': path('key of the slave channel', '${path.run}/slave.conf'),
  'internal.vma.printing.config': path('what the printing helper reads', '${path.run}/printing.conf'),
  'internal.vma.pulseaudio.config': path('what the sound server reads', '${path.run}/default.pa'),
  'internal.vma.on_printing.connected': text('printing helper', '${path.qvd.bin}/qvd-printing'),
  'internal.vma.on_printing.suspended': text('printing helper', '${path.qvd.bin}/qvd-printing'),
  'internal.vma.on_printing.stopped': text('printing helper', '${path.qvd.bin}/qvd-printing'),
  'internal.vma.printing.timeout': seconds('for a print job', 120),
  'internal.vma.use.systemctl': flag('start the printing service through systemd', true),
  'internal.vma.systemd.cups': text('its unit', "'cups'"),
} as const

/** The effective values, by key. */
export type AgentValues = Values<typeof AGENT_OPTIONS>
