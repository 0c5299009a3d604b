/** What a fault is about: shown to the person, and filled into the sentence. */
export type FaultDetail = Readonly<Record<string, string | number>>

interface FaultKind {
  /** HTTP status where the failure is answered over HTTP. */
  readonly status: number
  /** Exit code of a program that ends because of it (sysexits.h where one fits). */
  readonly exit: number
  /** What failed; `{name}` is filled from the detail. */
  readonly sentence: string
  /** What to try. */
  readonly advice: string
}

/**
 * Every way in which Ostler fails. Programs read the code, people the sentence and the advice.
 * The sentences of the `request.*`, `desktop.*` and `stop.*` codes are what QVD's clients know (compatibility page 1.3, 1.4).
 */
const FAULTS = {
  'request.malformed': {
    status: 400,
    exit: 64,
    sentence: 'the request is not valid HTTP/1.1',
    advice: 'Speak HTTP/1.1 to this port.',
  },
  'request.version': {
    status: 505,
    exit: 64,
    sentence: 'this port speaks HTTP/1.1 and no other version',
    advice: 'End the request line with "HTTP/1.1".',
  },
  'request.tooLarge': {
    status: 431,
    exit: 64,
    sentence: "the request's head is too large",
    advice: 'Send at most 16 KiB and 100 headers.',
  },
  'request.tooSlow': {
    status: 408,
    exit: 75,
    sentence: "the request's head took too long",
    advice: 'Send a request at once.',
  },
  'request.invalid': {
    status: 400,
    exit: 64,
    sentence: 'invalid request: {problem}',
    advice: 'Correct the value that is named.',
  },
  'time.invalid': {
    status: 400,
    exit: 64,
    sentence: "'{text}' is no time: {reason}",
    advice: "Write it as for at(1): now, tomorrow, 'next sat', '4pm + 3 days', '23:30 2026-12-24'.",
  },
  'request.notFound': {
    status: 404,
    exit: 64,
    sentence: 'there is nothing at {path}',
    advice: 'Check the address.',
  },
  'request.upgradeRequired': {
    status: 426,
    exit: 64,
    sentence: 'this address needs an upgrade to {protocol}',
    advice: 'Send "Connection: Upgrade" and "Upgrade: {protocol}".',
  },
  'request.missingId': {
    status: 422,
    exit: 64,
    sentence: 'parameter id is missing',
    advice: 'Name the desktop by its number.',
  },
  'request.parameters': {
    status: 403,
    exit: 64,
    sentence: 'Invalid parameters {names}',
    advice: 'Only qvd.client.* and custom.* may be given.',
  },
  'auth.noAccount': {
    status: 403,
    exit: 77,
    sentence: '{provider} knows you, but you have no open account here',
    advice: 'Ask an administrator for one.',
  },
  'auth.provider': {
    status: 403,
    exit: 77,
    sentence: 'the sign-in at {provider} did not succeed: {reason}',
    advice: 'Begin again at the portal; an administrator finds more in the log.',
  },
  'auth.required': {
    status: 401,
    exit: 77,
    sentence: 'the user name or the password is wrong',
    advice: 'Sign in again.',
  },
  'auth.unavailable': {
    status: 503,
    exit: 69,
    sentence: 'nobody could tell whether the password is right: {reason}',
    advice: 'Try again soon; an administrator finds the reason in the log.',
  },
  'auth.tooMany': {
    status: 429,
    exit: 75,
    sentence: 'too many failed sign-ins: wait {seconds} s',
    advice: 'Wait, then try once with the right password.',
  },
  'admin.required': {
    status: 401,
    exit: 77,
    sentence: 'this address is for administrators: the token is missing, wrong, too old or blocked',
    advice: 'Send "Authorization: Bearer TOKEN"; qa login keeps one.',
  },
  'admin.forbidden': {
    status: 403,
    exit: 77,
    sentence: '{who} may not do this: it takes {needs}',
    advice: 'Ask an administrator whose role has it, or use a token of a wider scope.',
  },
  'admin.tooMany': {
    status: 429,
    exit: 75,
    sentence: 'too many wrong tokens from this address: wait {seconds} s',
    advice: 'Wait, then come with the right one.',
  },
  'admin.code': {
    status: 403,
    exit: 77,
    sentence: 'this code is no invitation, or no longer',
    advice: 'A code is good once: ask for another one.',
  },
  'admin.exists': {
    status: 409,
    exit: 65,
    sentence: 'there is a superadmin already',
    advice: 'On a node: qa administrator add, or qa administrator invite.',
  },
  'admin.last': {
    status: 409,
    exit: 65,
    sentence: '{name} is the last superadmin',
    advice: 'Add another one first.',
  },
  'object.changed': {
    status: 412,
    exit: 75,
    sentence: '{name} was changed by somebody else meanwhile',
    advice: 'Read it again, and then decide.',
  },
  'bulk.partial': {
    status: 409,
    exit: 75,
    sentence: '{count} are left as they were; {name}: {reason}',
    advice: 'See what is said of each.',
  },
  'admin.untrusted': {
    status: 503,
    exit: 76,
    sentence: 'no authority known here has signed the certificate of {host}',
    advice:
      'Compare with the node, then add fingerprint={fingerprint}: openssl x509 -noout -fingerprint -sha256 -in cert.pem',
  },
  'bulk.changed': {
    status: 409,
    exit: 75,
    sentence: 'the filter finds others than when it was previewed',
    advice: 'Preview it again.',
  },
  'stream.tooMany': {
    status: 503,
    exit: 75,
    sentence: 'too many are watching already',
    advice: 'Close a stream, or ask another node.',
  },
  'pair.expired': {
    status: 410,
    exit: 75,
    sentence: 'nobody confirmed the code in time, or it has been used',
    advice: 'Begin again: you get a new code.',
  },
  'pair.refused': {
    status: 403,
    exit: 77,
    sentence: 'this device was refused at the portal',
    advice: 'Begin again if that was a mistake.',
  },
  'pair.tooMany': {
    status: 429,
    exit: 75,
    sentence: 'too many attempts to pair a device: wait {seconds} s',
    advice: 'Wait, then try once more.',
  },
  'pair.unknown': {
    status: 404,
    exit: 66,
    sentence: 'no device waits with this code',
    advice: 'Compare it with the code on the device; it is good for ten minutes, and once.',
  },
  'desktop.unknown': {
    status: 404,
    exit: 66,
    sentence: 'The requested virtual machine does not exist',
    advice: 'List your desktops and pick one of them.',
  },
  'desktop.foreign': {
    status: 403,
    exit: 77,
    sentence: 'You are not allowed to access requested virtual machine',
    advice: 'List your desktops and pick one of them.',
  },
  'desktop.blocked': {
    status: 403,
    exit: 69,
    sentence: 'The requested virtual machine is offline for maintenance',
    advice: 'Try again later.',
  },
  'capture.failed': {
    status: 409,
    exit: 70,
    sentence: 'no image was made of the desktop: {reason}',
    advice: 'See docs/pools.md (Golden copies), and the log of hkd on the node of the desktop.',
  },
  'desktop.maintenance': {
    status: 403,
    exit: 75,
    sentence: 'the desktop is being looked after: {said}',
    advice: 'Try again later.',
  },
  'desktop.notHers': {
    status: 403,
    exit: 75,
    sentence: 'desktop {desktop} of a pool is not this user’s, or no longer',
    advice: 'Connect again: the pool gives a desktop to whoever comes.',
  },
  'pool.full': {
    status: 503,
    exit: 75,
    sentence: 'every desktop of the pool {pool} is in use; position {position} after {seconds} s',
    advice: 'Try again when somebody has left; an administrator makes the pool larger with "qa pool edit".',
  },
  'pool.refused': {
    status: 503,
    exit: 69,
    sentence: 'the pool {pool} gives no desktop: {reason}',
    advice: 'Try again; an administrator sees its desktops with "qa pool list".',
  },
  'pool.setting': {
    status: 400,
    exit: 64,
    sentence: 'this pool cannot be: {problem}',
    advice: 'See docs/pools.md.',
  },
  'desktop.notReset': {
    status: 500,
    exit: 70,
    sentence: 'desktop {desktop} was reset and still has {left}',
    advice: 'Look at the folder of overlays on its node; the desktop stays nobody’s until it is empty.',
  },
  'desktop.disconnected': {
    status: 403,
    exit: 75,
    sentence: 'the session was disconnected by {by}',
    advice: 'Ask why, then connect again: programs go on in the desktop.',
  },
  'desktop.sessionOver': {
    status: 409,
    exit: 0,
    sentence: 'the session in the desktop has ended: you logged out, or the desktop was stopped',
    advice: 'Connect again to begin a new one.',
  },
  'desktop.left': {
    status: 409,
    exit: 0,
    sentence: 'you have left the desktop, and it goes on without you',
    advice: 'Connect again to come back.',
  },
  'desktop.limit': {
    status: 409,
    exit: 75,
    sentence: 'the connection has reached a limit of the server: {limit}',
    advice: 'Connect again: programs go on in the desktop.',
  },
  'desktop.moved': {
    status: 409,
    exit: 75,
    sentence: 'the desktop was opened somewhere else ({by})',
    advice: 'Connect again to bring it back here.',
  },
  'desktop.nobodyThere': {
    status: 409,
    exit: 65,
    sentence: 'nobody is connected to desktop {name}',
    advice: 'See who is connected with "qa vm list".',
  },
  'desktop.startFailed': {
    status: 503,
    exit: 69,
    sentence: 'the desktop could not be started: {reason}',
    advice: 'Try again; an administrator sees the cause with "qa vm explain".',
  },
  'desktop.ended': {
    status: 503,
    exit: 69,
    sentence: 'the desktop ended before its agent answered',
    advice: 'Read the end of its console with "qa vm explain"; an image needs an init and the agent.',
  },
  'desktop.noAgent': {
    status: 503,
    exit: 69,
    sentence: 'the desktop has booted for {seconds} s, and its agent {verdict}',
    advice:
      'Its image needs the agent, started at boot (docs/install.md); the end of its console is in "qa vm explain". Start it again if the node was only busy.',
  },
  'desktop.late': {
    status: 503,
    exit: 75,
    sentence: '{state} took longer than {seconds} s',
    advice:
      'Read the end of its console with "qa vm explain"; start it again when the node is less busy, or mend its image.',
  },
  'desktop.agentLost': {
    status: 503,
    exit: 69,
    sentence: 'the agent {verdict}, for {seconds} s, and nobody sat there',
    advice: 'Start it again; if that happens often, look into the log of the agent in the desktop.',
  },
  'desktop.givenUp': {
    status: 503,
    exit: 69,
    sentence: '{failures} starts in a row have failed, the last one because: {reason}',
    advice: 'An administrator mends the cause and says "qa vm reset -f name={name}".',
  },
  'desktop.queueTimeout': {
    status: 503,
    exit: 75,
    sentence: 'the start of the desktop has waited {seconds} s and has not begun: {reason}',
    advice: 'Try again when fewer desktops start at once; see "qa vm explain".',
  },
  'desktop.startTimeout': {
    status: 503,
    exit: 75,
    sentence: "VM didn't reach state 'running'. Timeout",
    advice: 'Try again; an administrator sees what it waits for with "qa vm explain".',
  },
  'desktop.unstoppable': {
    status: 503,
    exit: 75,
    sentence: 'The requested virtual machine is in an unstoppable state ({state})',
    advice: 'Wait until it has settled.',
  },
  'desktop.stillRuns': {
    status: 409,
    exit: 75,
    sentence: 'processes of desktop {desktop} are {processes}: what it runs on is not taken away',
    advice: 'Wait until it has ended, or stop it.',
  },
  'desktop.stopTimeout': {
    status: 408,
    exit: 75,
    sentence: "VM didn't reach state 'stopped'. Timeout",
    advice: 'Try again later.',
  },
  'desktop.notRunning': {
    status: 409,
    exit: 75,
    sentence: 'the desktop is not running',
    advice: 'Start it, then try again.',
  },
  'server.unregistered': {
    status: 503,
    exit: 69,
    sentence: 'Host is not registered in the database',
    advice: 'Start the housekeeping daemon of this node: it registers the node by its nodename.',
  },
  'server.blocked': {
    status: 503,
    exit: 75,
    sentence: 'Server is blocked',
    advice: 'Connect to another server, or wait until an administrator opens this one.',
  },
  'server.state': {
    status: 503,
    exit: 75,
    sentence: 'Server is {state}',
    advice: 'Try again in a moment, or connect to another server.',
  },
  'node.notRunning': {
    status: 503,
    exit: 69,
    sentence: '{program} does not answer at {socket}: {reason}',
    advice: 'Start it first, name its configuration with --config, and ask as root or as its user.',
  },
  'node.alone': {
    status: 503,
    exit: 69,
    sentence: 'the first process of {program} ended before this one served',
    advice: 'Look into its log for why it ended, and start it again.',
  },
  'browser.silent': {
    status: 408,
    exit: 75,
    sentence: 'the browser has not answered for {seconds} s',
    advice: 'Connect again: programs go on in the desktop.',
  },
  'server.draining': {
    status: 503,
    exit: 75,
    sentence: 'Server takes nobody in any more',
    advice: 'Connect again: another server answers; who is in stays in.',
  },
  'server.stopping': {
    status: 503,
    exit: 75,
    sentence: 'Server is stopping',
    advice: 'Connect again; another server or the next one answers.',
  },
  'server.internal': {
    status: 500,
    exit: 70,
    sentence: 'something went wrong here that should not ({reference})',
    advice: 'Tell an administrator the reference; the log has the rest.',
  },
  'policy.refused': {
    status: 403,
    exit: 77,
    sentence: 'the rule {rule} does not allow you {what}',
    advice: '{advice}, or ask an administrator about that rule.',
  },
  'session.busy': {
    status: 503,
    exit: 75,
    sentence: 'the session is in state {state} and cannot be opened now',
    advice: 'Try again in a moment.',
  },
  'session.failed': {
    status: 503,
    exit: 69,
    sentence: 'the X session did not come up: {reason}',
    advice: 'The log of the session inside the desktop tells more.',
  },
  'session.tooManyParameters': {
    status: 400,
    exit: 64,
    sentence: 'the session would get {count} parameters; {limit} are the most',
    advice: 'Send fewer parameters, or remove properties of the flavour, image, user or desktop.',
  },
  'session.user': {
    status: 503,
    exit: 69,
    sentence: 'the account {user} could not be made: {reason}',
    advice: 'An administrator should look at the image and the user name.',
  },
  'session.parameter': {
    status: 400,
    exit: 64,
    sentence: 'invalid value for {parameter}: {problem}',
    advice: 'Correct the parameter in the client, or the property in the administration.',
  },
  'hook.failed': {
    status: 503,
    exit: 69,
    sentence: 'hook {file} for {name} failed, rc: {rc}',
    advice: 'It said: {said}. qvd-hooks.log in the desktop has the rest.',
  },
  'hook.timeout': {
    status: 503,
    exit: 69,
    sentence: 'hook {file} for {name} did not end within {seconds} s and was killed',
    advice: 'Mend the hook, or give it more time with {key}.',
  },
  'hook.refused': {
    status: 503,
    exit: 78,
    sentence: 'hook {file} for {name} is not run: {reason}',
    advice: 'A hook must be an executable file of root that nobody else can write to.',
  },
  'home.damaged': {
    status: 503,
    exit: 65,
    sentence: 'the filesystem of the homes on {partition} is damaged: {reason}',
    advice: 'Copy the drive, then repair the copy with fsck.',
  },
  'home.failed': {
    status: 503,
    exit: 74,
    sentence: 'the homes on {place} cannot be used: {reason}',
    advice: 'Check the drive, then start the desktop again.',
  },
  'home.foreign': {
    status: 503,
    exit: 65,
    sentence: 'the home drive {drive} is left untouched: it carries {found}',
    advice:
      'Correct vma.user.home.drive or vma.user.home.fs; only if nothing on the drive is needed, clear it with "blkdiscard --zeroout {drive}".',
  },
  'home.full': {
    status: 503,
    exit: 73,
    sentence: 'there is no room left for homes on {place}',
    advice: 'Delete what is not needed, or give the desktop a larger drive.',
  },
  'home.kind': {
    status: 503,
    exit: 78,
    sentence: 'the home {home} is a {kind}, which desktops run by {driver} cannot use',
    advice:
      'Run the flavour as before, or put the home into the trash (qa home del) and copy what is needed.',
  },
  'home.missing': {
    status: 503,
    exit: 66,
    sentence: 'the home {home} of earlier boots is not there',
    advice:
      'See whether its storage is mounted. Only if the home is lost for good: qa home del, and the next start makes an empty one.',
  },
  'home.refused': {
    status: 409,
    exit: 65,
    sentence: 'home {home}: {reason}',
    advice: '`qa home list` shows all homes, and how each stands.',
  },
  'home.orphan': {
    status: 503,
    exit: 73,
    sentence: 'at {home} lies a home that nobody has according to the database',
    advice:
      'If it is hers: qa home adopt user=LOGIN osf=NAME. If it is not: move it elsewhere, then start the desktop again.',
  },
  'home.owner': {
    status: 503,
    exit: 77,
    sentence: 'the folder {folder} cannot be trusted with a home: {reason}',
    advice: 'An administrator should find out why, and correct the owner and the permissions.',
  },
  'home.readOnly': {
    status: 503,
    exit: 74,
    sentence: 'homes must be written to, and {place} is read-only',
    advice: 'Attach the drive writable; after an error of the drive, check it first.',
  },
  'home.taken': {
    status: 503,
    exit: 75,
    sentence: 'somebody else writes to the home {home}, by the lock beside it: {writer}',
    advice: 'Stop that desktop; if its node is gone for good, so is its lock once the storage has noticed.',
  },
  'home.unmounted': {
    status: 503,
    exit: 74,
    sentence: 'homes are to lie on a file system of their own, and nothing is mounted at {folder}',
    advice:
      'Mount it, then start the desktop again; where that is not meant, set storage.homefs.mounted = 0.',
  },
  'agent.unreachable': {
    status: 503,
    exit: 69,
    sentence: 'the agent of desktop {desktop} does not answer: {reason}',
    advice: 'Try again; if it lasts, restart the desktop.',
  },
  'agent.answer': {
    status: 503,
    exit: 76,
    sentence: 'the agent answered {procedure} with something that is no answer: {problem}',
    advice: 'Restart the desktop; its image may carry an agent of another version.',
  },
  'agent.forbidden': {
    status: 403,
    exit: 77,
    sentence: '{role} may not call {procedure}',
    advice: 'Use the service whose task this is.',
  },
  'console.busy': {
    status: 503,
    exit: 75,
    sentence: 'desktop {desktop} has {count} consoles open already',
    advice: 'Close one of them.',
  },
  'console.disabled': {
    status: 403,
    exit: 77,
    sentence: 'desktop {desktop} gives no console',
    advice: 'Set vma.console.enable in the vma.conf of its image, or use the serial console.',
  },
  'console.failed': {
    status: 503,
    exit: 69,
    sentence: 'the console could not be opened: {reason}',
    advice: 'The log of the agent inside the desktop tells more.',
  },
  'console.malformed': {
    status: 400,
    exit: 76,
    sentence: 'what came over the console connection is no console frame: {problem}',
    advice: 'Use a client of the same version.',
  },
  'console.refused': {
    status: 401,
    exit: 77,
    sentence: 'the ticket for the console was refused: {reason}',
    advice: 'Ask for a new ticket; each is good for one console within a minute.',
  },
  'display.unreachable': {
    status: 503,
    exit: 69,
    sentence: 'the display of desktop {desktop} cannot be reached: {reason}',
    advice: 'Try again; if it lasts, restart the desktop.',
  },
  'folder.refused': {
    status: 403,
    exit: 77,
    sentence: 'the folder may not be shared: {reason}',
    advice: 'Share another one, or ask your administrator.',
  },
  'folder.taken': {
    status: 409,
    exit: 73,
    sentence: 'the desktop has something else under the name {name}',
    advice: 'Take that away first, or share the folder under another name.',
  },
  'folder.unavailable': {
    status: 503,
    exit: 69,
    sentence: 'this desktop cannot show folders: {reason}',
    advice: 'Use an image with sshfs and a desktop that may use /dev/fuse (docs/folders.md).',
  },
  'folder.malformed': {
    status: 400,
    exit: 76,
    sentence: 'what came over the stream of a folder is not understood: {problem}',
    advice: 'Use a client of the same version.',
  },
  'folder.lost': {
    status: 503,
    exit: 75,
    sentence: 'the folder was taken away from the desktop: {reason}',
    advice: 'Share it again, if that does not happen by itself.',
  },
  'folder.unusable': {
    status: 422,
    exit: 66,
    sentence: '{path} cannot be shared: {reason}',
    advice: 'Name a folder that you may read.',
  },
  'usb.refused': {
    status: 403,
    exit: 77,
    sentence: 'the USB device may not be shared: {reason}',
    advice: 'Share another one, or ask your administrator.',
  },
  'usb.unavailable': {
    status: 503,
    exit: 69,
    sentence: 'this desktop cannot have USB devices: {reason}',
    advice: 'Use a virtual machine whose kernel has the module vhci-hcd (docs/usb.md).',
  },
  'usb.noModule': {
    status: 503,
    exit: 69,
    sentence: 'the kernel of this machine cannot give USB devices away: {reason}',
    advice:
      'Say "modprobe {module}" as root; if there is no such module, install a kernel that has it (docs/usb.md).',
  },
  'usb.malformed': {
    status: 400,
    exit: 76,
    sentence: 'what came over the stream of a USB device is not understood: {problem}',
    advice: 'Use a client of the same version.',
  },
  'usb.lost': {
    status: 503,
    exit: 75,
    sentence: 'the USB device was taken away from the desktop: {reason}',
    advice: 'Share it again.',
  },
  'usb.unusable': {
    status: 422,
    exit: 66,
    sentence: 'the USB device {device} cannot be shared: {reason}',
    advice: 'See what there is with "ostler usb list".',
  },
  'tunnel.ticket': {
    status: 401,
    exit: 77,
    sentence: 'this ticket opens nothing',
    advice: 'Ask for a new one: each is good once, for half a minute, and for one boot of its desktop.',
  },
  'tunnel.unreachable': {
    status: 503,
    exit: 69,
    sentence: 'nothing answers at {what} of desktop {desktop}: {reason}',
    advice: 'See that the service runs inside the desktop.',
  },
  'tunnel.unsigned': {
    status: 503,
    exit: 75,
    sentence: 'the ticket for the console of desktop {desktop} was not signed in time',
    advice: 'See that ostler-hkd runs on the node of that desktop.',
  },
  'tunnel.unsupported': {
    status: 503,
    exit: 69,
    sentence: 'the agent of desktop {desktop} does not offer {kind}',
    advice: 'Use an image with a newer agent.',
  },
  'tunnel.noNetwork': {
    status: 503,
    exit: 69,
    sentence: 'desktop {desktop} has no network, and so no ssh server that could be reached',
    advice: 'Use `qa vm console`, or a flavour with hypervisor=lxc or kvm.',
  },
  'tunnel.ended': {
    status: 503,
    exit: 75,
    sentence: 'the connection to the desktop ended: {reason}',
    advice: 'Open it again if the desktop still runs.',
  },
  'display.missing': {
    status: 422,
    exit: 69,
    sentence: 'this desktop cannot be shown by {display}: {reason}',
    advice: 'Open it in another way.',
  },
  'config.invalid': {
    status: 500,
    exit: 78,
    sentence: '{problems}',
    advice: 'Correct the configuration file.',
  },
  'node.notRoot': {
    status: 500,
    exit: 77,
    sentence: '{program} needs root to make containers and networks',
    advice: 'Start it as root.',
  },
  'node.missingUser': {
    status: 500,
    exit: 67,
    sentence: 'the system user {user} is missing',
    advice: 'Make it: useradd --system --user-group --no-create-home --shell /usr/sbin/nologin {user}',
  },
  'node.missingProgram': {
    status: 500,
    exit: 69,
    sentence: 'the program {program} is missing',
    advice: 'Install it: apt-get install {packages}',
  },
  'node.missingFeature': {
    status: 500,
    exit: 69,
    sentence: 'this kernel has no {feature}',
    advice: '{cure}',
  },
  'node.portTaken': {
    status: 500,
    exit: 69,
    sentence: 'port {port} on {address} is taken by another program',
    advice: 'Stop that program, or set another port with {key}.',
  },
  'node.network': {
    status: 500,
    exit: 69,
    sentence: 'the network of the desktops could not be set up: {reason}',
    advice: 'Choose another bridge name or network in the configuration.',
  },
  'node.running': {
    status: 500,
    exit: 69,
    sentence: '{program} is already running here as process {pid}',
    advice: 'Stop it first, or give this one another path.run.',
  },
  'node.unknown': {
    status: 500,
    exit: 78,
    sentence: 'the database knows no node {name}: it knows {known}',
    advice: 'Correct nodename in the configuration file, or make the node known: qa host add name={name}',
  },
  'node.cutOff': {
    status: 503,
    exit: 75,
    sentence: 'desktop {desktop} cannot start here: this node cannot say that it still has its desktops',
    advice: 'Look at the database, and at what keeps this node from it.',
  },
  'node.noFence': {
    status: 503,
    exit: 75,
    sentence: 'no fence answers at {file}',
    advice: 'Look at the log of ostler-fence: without it a node that shares its database runs no desktops.',
  },
  'move.elsewhere': {
    status: 409,
    exit: 78,
    sentence: 'the database of this node is at {host} already',
    advice: 'Move it from there by the means of that server: pg_dump --schema=ostler.',
  },
  'move.notEmpty': {
    status: 409,
    exit: 73,
    sentence: 'the database {database} at {host} has tables of Ostler already, and nothing was changed',
    advice: 'Name another database by database.name, or drop the schema "ostler" there if nobody needs it.',
  },
  'move.failed': {
    status: 503,
    exit: 70,
    sentence: 'the database was not moved, and this node goes on with its own: {reason}',
    advice:
      'Mend what is named; what was copied is not used: drop the schema "ostler" at that server, then try again.',
  },
  'join.private': {
    status: 409,
    exit: 78,
    sentence: 'the database of this node is its own: no other node can reach it',
    advice: 'Put the database on a server first: docs/nodes.md.',
  },
  'join.invalid': {
    status: 403,
    exit: 77,
    sentence: 'the invitation is not good: {reason}',
    advice: 'As root on a node of the installation: ostler-hkd invite NODE',
  },
  'join.done': {
    status: 409,
    exit: 78,
    sentence: 'this machine is a node already: {file} is there',
    advice:
      'A node does not change its installation. On a machine without desktops, remove its state folder first.',
  },
  'database.foreign': {
    status: 500,
    exit: 78,
    sentence:
      'the database {database} belongs to QVD: Ostler imports such a database and never migrates it in place',
    advice: 'Give Ostler a database of its own.',
  },
  'database.step': {
    status: 500,
    exit: 78,
    sentence:
      'the data of PostgreSQL {from} in {folder} could not be taken over into PostgreSQL {to}: {reason}',
    advice:
      'The node goes on with PostgreSQL {from}. Mend what is named: the next start of hkd tries it again.',
  },
  'database.rights': {
    status: 500,
    exit: 77,
    sentence: 'at {host}, {user} may not make the roles and the database {database}: {reason}',
    advice:
      'Give that name the rights CREATEROLE and CREATEDB for the first start, or make them by hand: docs/database.md',
  },
  'database.unavailable': {
    status: 503,
    exit: 69,
    sentence: 'the database does not answer: {reason}',
    advice: 'See the log of PostgreSQL.',
  },
  'database.damaged': {
    status: 500,
    exit: 78,
    sentence: 'the data in {folder} cannot be used: {reason}',
    advice:
      'Nothing was changed. Keep a copy of that folder, then restore a backup: move the folder away and run ostler-hkd restore FILE.',
  },
  'database.full': {
    status: 503,
    exit: 73,
    sentence: 'the database cannot write: there is no room left in {folder}',
    advice: 'Make room on that disk; the database goes on by itself. Desktops and streams are not affected.',
  },
  'database.missing': {
    status: 500,
    exit: 78,
    sentence: 'this node has had a database, and {folder} does not hold it',
    advice:
      'Mount the disk that it lies on, or restore a backup with ostler-hkd restore FILE. To begin anew with nothing, move {key} away.',
  },
  'backup.noSpace': {
    status: 507,
    exit: 73,
    sentence: 'a backup needs {needed} MB in {folder}, and {free} MB are free there',
    advice: 'Make room there, or set path.backup to a larger disk.',
  },
  'backup.differs': {
    status: 500,
    exit: 70,
    sentence: 'the backup was not kept: restored for a trial, it differs from the database in {tables}',
    advice: 'Ask for another one; if that differs, too, check the memory and the disk of this node.',
  },
  'backup.failed': {
    status: 500,
    exit: 70,
    sentence: 'the backup was not made: {reason}',
    advice: 'Mend what is named, and ask for another one: qa backup now.',
  },
  'backup.elsewhere': {
    status: 409,
    exit: 64,
    sentence: 'the database is at {host}, and Ostler makes no backups of a server that is not its own',
    advice: 'Back up that server by its own means; pg_dump --schema=ostler is enough.',
  },
  'backup.unknown': {
    status: 404,
    exit: 64,
    sentence: 'there is no backup number {number}',
    advice: 'See qa backup list.',
  },
  'restore.notEmpty': {
    status: 409,
    exit: 73,
    sentence: 'there is a database in {folder} already, and nothing was changed',
    advice: 'Move that folder away first, if the backup is to take its place.',
  },
  'restore.unusable': {
    status: 422,
    exit: 65,
    sentence: 'the backup {file} could not be restored, and nothing was changed: {reason}',
    advice: 'Try an older backup.',
  },
  'restore.nodeKey': {
    status: 409,
    exit: 78,
    sentence: 'the backup is of a node with another key than {file}',
    advice:
      "Put that node's node.key there. Without it, --new-authority makes a new certificate authority: nothing else of the backup is lost.",
  },
  'database.newer': {
    status: 500,
    exit: 78,
    sentence: 'the database was written by a newer Ostler (migration {migration})',
    advice: 'Install that version or a later one.',
  },
  'notify.failed': {
    status: 503,
    exit: 75,
    sentence: 'administrators could not be told by {channel}: {reason}',
    advice: 'Check the keys notify.* and what they name; it is tried again by itself.',
  },
  'image.tag': {
    status: 409,
    exit: 65,
    sentence: 'tag {tag}: {reason}',
    advice: '`qa di list` shows which image has which tag.',
  },
  'image.inUse': {
    status: 409,
    exit: 65,
    sentence: 'disk image {image} is in use by desktop {desktop}',
    advice: 'Move its tags to another image, and stop the desktops that run it.',
  },
  'image.unusable': {
    status: 503,
    exit: 65,
    sentence: 'the disk image {image} cannot be used: {reason}',
    advice: 'Correct the image or choose another one.',
  },
  'image.changed': {
    status: 503,
    exit: 65,
    sentence: 'the disk image {image} is not what it was when it was taken into use: {path} was changed',
    advice: 'Put the old file back, or add the new one as a new version: `qa di add`.',
  },
  'recipe.invalid': {
    status: 400,
    exit: 65,
    sentence: 'the recipe {recipe} cannot be built: {problems}',
    advice: 'Correct the lines that are named; docs/image-builder.md has every key.',
  },
  'build.mirror': {
    status: 503,
    exit: 69,
    sentence: 'no packages came from {mirror}: {reason}',
    advice: 'Check the keys mirror and suite, and whether this machine reaches it.',
  },
  'build.noRoom': {
    status: 503,
    exit: 75,
    sentence: 'there is no room in {folder}: {reason}',
    advice: 'Make room there, or name other folders: TMPDIR for the work, --output for the image.',
  },
  'build.failed': {
    status: 500,
    exit: 70,
    sentence: 'the image was not made, {step} failed: {reason}',
    advice: 'The whole story is in {log}.',
  },
  'build.notRoot': {
    status: 403,
    exit: 77,
    sentence: 'the disk of a machine is opened by root alone',
    advice: 'Start it as root, or build a new image from a changed recipe, which needs no root.',
  },
  'image.foreign': {
    status: 400,
    exit: 65,
    sentence: '{file} is no image of ostler-image: {reason}',
    advice: 'Name the tarball or the qcow2, with its .json beside it.',
  },
  'image.failedCheck': {
    status: 500,
    exit: 70,
    sentence: 'the image {image} did not pass, {step}: {reason}',
    advice: 'Mend the recipe, build it anew and check that one.',
  },
  'image.notStaged': {
    status: 503,
    exit: 65,
    sentence: 'the disk image {image} cannot be copied: there is no {path}',
    advice: 'Put the file there, in path.storage.staging; it is taken from there by itself.',
  },
  'upload.source': {
    status: 400,
    exit: 66,
    sentence: 'the file {path} cannot be sent: {reason}',
    advice: 'Name a file that stays as it is while it is read.',
  },
  'upload.gap': {
    status: 409,
    exit: 75,
    sentence: 'of {file} {done} bytes have arrived, and what came are those from {offset} to {end}',
    advice: 'Run the same command again: it goes on where it stopped.',
  },
  'upload.unavailable': {
    status: 503,
    exit: 73,
    sentence: 'files cannot be kept in {folder}: {reason}',
    advice: 'Start ostler-hkd, which makes that folder for the api; path.uploads says where it is.',
  },
  'storage.full': {
    status: 503,
    exit: 75,
    sentence: 'there is no room in {folder}: {reason}',
    advice: 'Make room there: `qa storage orphans` lists what nothing needs. It goes on by itself.',
  },
  'storage.notMounted': {
    status: 503,
    exit: 78,
    sentence: 'the storage folder {path} is not there as storage.mounts demands: {reason}',
    advice: 'Mount it, then start the desktop again.',
  },
  'storage.silent': {
    status: 503,
    exit: 75,
    sentence: 'the storage folder {path} has not answered for {seconds} s',
    advice: 'Look after the server that it lies on and the network between; then start the desktop again.',
  },
  'storage.permissions': {
    status: 503,
    exit: 78,
    sentence: 'the permissions of the storage folder {path} are wrong: {problem}',
    advice: '{cure}; then start the desktop again.',
  },
  'storage.orphan': {
    status: 409,
    exit: 65,
    sentence: 'nothing was removed: {reason}',
    advice: '`qa storage orphans` lists what can be removed, with the numbers to name.',
  },
  'overlay.locked': {
    status: 503,
    exit: 75,
    sentence: 'the overlay is in use by {holder} (lock {file})',
    advice: 'Stop the desktop there first. The lock ends by itself with whoever holds it.',
  },
  'job.state': {
    status: 409,
    exit: 65,
    sentence: 'job {job} is {state}: {order} is not for that',
    advice: '`qa job show -f id={job}` tells how it stands.',
  },
  'job.stale': {
    status: 409,
    exit: 65,
    sentence: 'the preview of job {job} no longer holds: {reason}',
    advice: 'Make a new preview and look at it.',
  },
  'job.failed': {
    status: 409,
    exit: 70,
    sentence: 'job {job} is {state}: {reason}',
    advice: '`qa job show -f id={job}` has its log.',
  },
  'rollOut.open': {
    status: 409,
    exit: 65,
    sentence: 'the tag {tag} is being rolled out by job {job}',
    advice: 'Wait for it, or `qa job stop -f id={job}`.',
  },
  'tenant.inUse': {
    status: 409,
    exit: 65,
    sentence: 'tenant {tenant} still has {users} users and {flavours} flavours of its own',
    advice: 'Block it instead: `qa tenant block -f name={tenant}`.',
  },
  'quota.reached': {
    status: 409,
    exit: 65,
    sentence: '{what} may have {most} desktops of {osf}, and has them',
    advice: 'Remove a desktop, or `qa osf edit -f name={osf} max_desktops=… max_per_user=…`.',
  },
  'container.failed': {
    status: 503,
    exit: 69,
    sentence: 'the container of desktop {desktop} could not be started: {reason}',
    advice: 'The container log in path.log tells more.',
  },
  'machine.failed': {
    status: 503,
    exit: 69,
    sentence: 'the virtual machine of desktop {desktop} could not be started: {reason}',
    advice: "The machine's log in path.log tells more.",
  },
  'import.unreachable': {
    status: 503,
    exit: 69,
    sentence: 'the database {database} at {host} cannot be read: {reason}',
    advice: 'Check host, port, database, user and password, and pg_hba.conf of that server.',
  },
  'import.foreign': {
    status: 409,
    exit: 65,
    sentence: 'the database {database} is no {whose}’s: tables of it are missing',
    advice: 'Name the right one: for a QVD it is database.name of its node.conf (docs/import.md).',
  },
  'object.exists': {
    status: 409,
    exit: 65,
    sentence: '{kind} {name} exists already',
    advice: 'Choose another name.',
  },
  'object.inUse': {
    status: 409,
    exit: 65,
    sentence: '{kind} {name} is not removed: {reason}',
    advice: 'Stop or remove what uses it first.',
  },
  'address.taken': {
    status: 409,
    exit: 65,
    sentence: 'the address {address} is taken',
    advice: 'Choose another one, or leave ip out.',
  },
  'address.outside': {
    status: 422,
    exit: 65,
    sentence: '{address} is no address for a desktop: those are {first} to {last}, without the gateway',
    advice: 'Choose one of them, or leave ip out.',
  },
  'object.unknown': {
    status: 404,
    exit: 66,
    sentence: 'there is no {kind} {name}',
    advice: 'List what there is.',
  },
  'client.unreachable': {
    status: 503,
    exit: 69,
    sentence: '{host}:{port} cannot be reached: {reason}',
    advice: 'Check the address and the network.',
  },
  'client.untrusted': {
    status: 503,
    exit: 76,
    sentence: 'the certificate of {host} is not the one known here ({fingerprint})',
    advice: 'If the server really has a new one, remove its line from {file} and connect again.',
  },
  'client.unconfirmed': {
    status: 503,
    exit: 76,
    sentence: 'the certificate of {host} is unknown here ({fingerprint})',
    advice: 'Compare the fingerprint and connect with --accept-new-certificate.',
  },
  'client.refused': {
    status: 503,
    exit: 69,
    sentence: '{host} answered {status}: {text}',
    advice: 'See what the server says.',
  },
  'client.noDisplay': {
    status: 503,
    exit: 69,
    sentence: 'there is no X display to show the desktop on',
    advice: 'Start ostler in a graphical session, or set DISPLAY.',
  },
  'client.displayFailed': {
    status: 503,
    exit: 69,
    sentence: '{program} ended before the desktop was shown: {reason}',
    advice: 'Check DISPLAY and that {program} is installed.',
  },
  'client.noViewer': {
    status: 503,
    exit: 69,
    sentence: 'there is no viewer for {display}',
    advice: 'Install one of: {programs}, or name one of them by --viewer.',
  },
  'client.ended': {
    status: 503,
    exit: 75,
    sentence:
      'the server ended the connection: you logged out, or the desktop was opened somewhere else or stopped',
    advice: 'Connect again to go on.',
  },
  'client.barred': {
    status: 503,
    exit: 76,
    sentence: 'the certificate of {host} is refused: {problem}',
    advice: 'The server needs another certificate; {key} would have to be 1 to trust this one.',
  },
  'client.setting': {
    status: 400,
    exit: 78,
    sentence: '{problems}',
    advice: 'Correct what is named; docs/client.conf.md has all keys.',
  },
  'client.exposed': {
    status: 400,
    exit: 77,
    sentence: '{file} holds {key}, and others may read it',
    advice: 'Take it out, or: chmod 600 {file}',
  },
  'client.forced': {
    status: 403,
    exit: 77,
    sentence: 'this machine may use {allowed} only, not {wanted} ({origin})',
    advice: 'Leave the server out, or ask whoever set up this machine.',
  },
  'client.cut': {
    status: 503,
    exit: 75,
    sentence: 'the line was cut, and could not be mended within {seconds} s: {reason}',
    advice: 'Connect again when the network is back: programs go on in the desktop.',
  },
  'client.keyring': {
    status: 503,
    exit: 69,
    sentence: 'the keyring cannot be used: {reason}',
    advice: 'Install libsecret-tools and unlock the keyring, or set client.remember_password = 0.',
  },
  'client.unhealthy': {
    status: 503,
    exit: 69,
    sentence: '{failed} of {count} checks failed',
    advice: 'Begin with the first one above: the others often follow from it.',
  },
  'client.hidden': {
    status: 403,
    exit: 77,
    sentence: 'there are no settings to see here ({origin})',
    advice: 'Ask whoever set up this machine: client.show.settings is 0.',
  },
  'client.noConnection': {
    status: 404,
    exit: 69,
    sentence: 'no desktop that could be asked is open here: {reason}',
    advice: "Open one with 'ostler connect', or name one with --desktop.",
  },
  'slave.silent': {
    status: 503,
    exit: 69,
    sentence: 'the other side of the slave channel does not answer: {reason}',
    advice:
      'Connect the desktop again. If it stays so, its image has vma.slave.enable off, or policy allows no folders.',
  },
  'slave.ended': {
    status: 503,
    exit: 75,
    sentence: 'a stream of the slave channel ended before it was answered',
    advice: 'Try it again; if it stays so, the desktop has no slave channel.',
  },
  'slave.refused': {
    status: 503,
    exit: 69,
    sentence: 'the other side of the slave channel answered {status} to {what}: {text}',
    advice: 'See what it says.',
  },
  'slave.folder': {
    status: 404,
    exit: 66,
    sentence: 'Path {path} not found',
    advice: 'Name a folder that is there.',
  },
  'slave.forbidden': {
    status: 403,
    exit: 77,
    sentence: '{what} is not allowed here: {reason}',
    advice: 'Ask who looks after this desktop or this computer to allow it.',
  },
  'slave.unsupported': {
    status: 501,
    exit: 69,
    sentence: '{what} is not supported here: {reason}',
    advice: 'Install what is named.',
  },
  'slave.busy': {
    status: 503,
    exit: 75,
    sentence: 'too many streams of the slave channel are open',
    advice: 'Close some and try again.',
  },
  'client.mount': {
    status: 422,
    exit: 73,
    sentence: 'nothing can be mounted at {path}: {reason}',
    advice: 'Name an empty folder of yours, and install sshfs (Debian: the package of that name).',
  },
  'client.forward': {
    status: 400,
    exit: 64,
    sentence: '{text} is no forward: {problem}',
    advice: 'Write it as PORT:localhost:PORT, first the port here, then the one in the desktop.',
  },
  'client.choice': {
    status: 400,
    exit: 64,
    sentence: '{problem}',
    advice: 'Name one of: {choices}',
  },
} as const satisfies Record<string, FaultKind>

export type FaultCode = keyof typeof FAULTS

/** A failure with a code from the closed list. */
export class Fault extends Error {
  readonly code: FaultCode
  readonly detail: FaultDetail
  /** What to try, as a sentence. */
  readonly advice: string

  constructor(code: FaultCode, detail: FaultDetail = {}, options: { cause?: unknown } = {}) {
    super(fill(FAULTS[code].sentence, detail), options)
    this.name = 'Fault'
    this.code = code
    this.detail = detail
    this.advice = fill(FAULTS[code].advice, detail)
  }

  get status(): number {
    return FAULTS[this.code].status
  }

  get exitCode(): number {
    return FAULTS[this.code].exit
  }

  toJSON(): FaultBody {
    return { fault: this.code, detail: this.detail, text: this.message, advice: this.advice }
  }
}

/** A fault as it crosses a wire. */
export interface FaultBody {
  readonly fault: FaultCode
  readonly detail: FaultDetail
  readonly text: string
  readonly advice: string
}

/** Reads a fault that came over a wire; `undefined` when `body` is none of this version's. */
export function faultFromBody(body: unknown): Fault | undefined {
  if (typeof body !== 'object' || body === null || !('fault' in body)) return undefined
  const { fault, detail } = body as { fault: unknown; detail?: unknown }
  if (typeof fault !== 'string' || !Object.hasOwn(FAULTS, fault)) return undefined
  return new Fault(fault as FaultCode, isDetail(detail) ? detail : {})
}

/** All codes, for the generated reference. */
export const FAULT_CODES = Object.keys(FAULTS) as readonly FaultCode[]

/** The last sentence of a program that fails: what, and what to try. */
export function lastSentence(error: unknown): { sentence: string; exitCode: number } {
  if (error instanceof Fault)
    return { sentence: `${error.message}. ${error.advice} [${error.code}]`, exitCode: error.exitCode }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return { sentence: `unexpected failure: ${text}`, exitCode: 70 }
}

function fill(sentence: string, detail: FaultDetail): string {
  return sentence.replace(/\{(\w+)\}/g, (_, name: string) => String(detail[name] ?? `{${name}}`))
}

function isDetail(value: unknown): value is FaultDetail {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every((item) => typeof item === 'string' || typeof item === 'number')
  )
}
