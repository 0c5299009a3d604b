import type { AdministratorRole } from '@ostler/contract/administrators.ts'
import type { DisplayKind } from '@ostler/contract/identity.ts'
import type { JobItemState, JobState } from '@ostler/contract/jobs.ts'
import type { TimelineStep } from '@ostler/contract/timeline.ts'
import type { ColumnType, Generated, JSONColumnType } from 'kysely'
import type { AgentVerdict } from '../model/agent-verdict.ts'
import type { DiskImageKind } from '../model/disk-image.ts'
import type { ImageState } from '../model/image-copy.ts'
import type { HostCounter, HostState } from '../model/host.ts'
import type { HomeKind, HomeState } from '../model/home.ts'
import type { FlavourHypervisor, HypervisorKind } from '../model/hypervisor-kind.ts'
import type { NoticeChannel, NoticeKind } from '../model/notice.ts'
import type { OverlayKind } from '../model/overlay.ts'
import type { PolicySays } from '../model/policy.ts'
import type { PoolAssignment } from '../model/pool.ts'
import type { RollOutSettings } from '../model/roll-out.ts'
import type { SslFileName } from '../model/door-certificate.ts'
import type { SeatState } from '../model/seat.ts'
import type { TicketKind } from '../model/ticket.ts'
import type { UserRole } from '../model/user.ts'
import type { VmState } from '../model/vm-machine.ts'
import type { RESET_WISH, WishKind } from '../model/wish.ts'

type Timestamp = ColumnType<Date, Date | undefined, Date>
/** What users read while something is looked after; null: it is not. */
type Sentence = ColumnType<string | null, never, string | null>
type OptionalTimestamp = ColumnType<Date | null, Date | null | undefined, Date | null>

/** All tables, in the schema `ostler`. Ids are plain integers: they stand in URLs and container names. */
export interface Database {
  host: {
    id: Generated<number>
    name: string
    memory_mb: number
    /** Desktops that may be on their way up at once. */
    starting_max: Generated<number>
    seen_at: Timestamp
    state: Generated<HostState>
    blocked: Generated<boolean>
    maintenance: Sentence
    /** Where doors of other nodes reach its door; null before that has been open. */
    door_address: ColumnType<string | null, string | null | undefined, string | null>
    door_port: ColumnType<number | null, number | null | undefined, number | null>
    /** 0.8 of its bogomips. */
    cpu: Generated<number>
    /** Where hkds of other nodes ask its hkd; null before it was in service. */
    peer_address: ColumnType<string | null, string | null | undefined, string | null>
    peer_port: ColumnType<number | null, number | null | undefined, number | null>
    /** So long others must have seen nothing of it before it is lost. */
    lost_after_ms: Generated<number>
    /** The driver hands out a bigint as text. Grows with each node that comes into service; 0: never was. */
    standing: ColumnType<string, number | undefined, number>
    /** The highest of others that it knows of. */
    told_standing: ColumnType<string, number | undefined, number>
  }
  /** A node that is to join; what it needs, sealed. */
  host_invitation: {
    host_id: number
    /** SHA-256 of what takes it. */
    digest: Buffer
    sealed: string
    made_at: Timestamp
    expires_at: Timestamp
  }
  /** QVD's counters, which others read too. */
  host_counters: { host_id: number } & { [K in HostCounter]: Generated<number> }
  tenant: {
    id: Generated<number>
    name: string
    blocked: Generated<boolean>
  }
  administrator: {
    id: Generated<number>
    name: string
    role: AdministratorRole
    /** Null: of all tenants. */
    tenant_id: ColumnType<number | null, number | null | undefined, never>
    blocked: Generated<boolean>
    made_at: Timestamp
  }
  administrator_token: {
    id: Generated<number>
    administrator_id: number
    kind: 'token' | 'invitation'
    name: string
    /** SHA-256 of its text. */
    digest: Buffer
    /** Permissions; null: all of its owner's. */
    scope: ColumnType<readonly string[] | null, readonly string[] | null | undefined, never>
    made_at: Timestamp
    expires_at: Timestamp
    used_at: OptionalTimestamp
    used_from: ColumnType<string | null, string | null | undefined, string | null>
  }
  /** What administrators changed, and tried to. */
  audit: {
    id: Generated<string>
    at: Timestamp
    request: string
    by: string
    role: string
    tenant_id: number | null
    address: string
    action: string
    object: string
    status: number
    said: ColumnType<unknown, string | null, never>
    before: ColumnType<unknown, string | null, never>
    after: ColumnType<unknown, string | null, never>
    fault: string | null
  }
  config: {
    tenant_id: Generated<number>
    key: string
    value: string
  }
  users: {
    id: Generated<number>
    tenant_id: Generated<number>
    role: Generated<UserRole>
    login: string
    password: string
    blocked: Generated<boolean>
    maintenance: Sentence
  }
  /** Null: not asked for, or not said. */
  policy_rule: {
    id: Generated<number>
    position: number
    name: string
    tenant_id: number | null
    login: string | null
    group_name: string | null
    role: UserRole | null
    flavour_id: number | null
    desktop: string | null
    sources: readonly string[] | null
    use: boolean | null
    displays: readonly DisplayKind[] | null
    clipboard: PolicySays['clipboard'] | null
    folders: PolicySays['folders']['access'] | null
    folder_roots: readonly string[] | null
    ports: boolean | null
    printing: boolean | null
    audio: boolean | null
    usb: boolean | null
    quota: number | null
  }
  user_property: {
    user_id: number
    key: string
    value: string
  }
  flavour_property: {
    flavour_id: number
    key: string
    value: string
  }
  image_property: {
    image_id: number
    key: string
    value: string
  }
  vm_property: {
    vm_id: number
    key: string
    value: string
  }
  host_property: {
    host_id: number
    key: string
    value: string
  }
  /** What plugins said at a sign-in, for sessions that come from it later. */
  user_auth_parameters: {
    id: Generated<number>
    user_id: number
    parameters: JSONColumnType<Readonly<Record<string, string>>>
    groups: JSONColumnType<readonly string[]>
    expires_at: Timestamp
  }
  user_token: {
    /** SHA-256 of the token's text. */
    digest: Buffer
    user_id: number
    vm_id: ColumnType<number | null, number | null | undefined, number | null>
    parameters_id: ColumnType<number | null, number | null | undefined, number | null>
    multi_use: boolean
    expires_at: Timestamp
    taken_at: OptionalTimestamp
    taken_from: ColumnType<string | null, string | null | undefined, string | null>
  }
  /** One-time credentials that users have shown: of each kind the newest, and those of the last minute. */
  spent_credential: {
    user_id: number
    kind: string
    number: number
    address: string
    at: Timestamp
  }
  sign_in_failure: {
    subject: string
    failures: number
    /** Sixteen bits of the last credentials' keyed digest. */
    mark: ColumnType<number | null, number | null | undefined, number | null>
    last_at: Timestamp
  }
  /** Where users have signed in from: there they are not slowed by what others try in their names. */
  known_address: {
    tenant_id: number
    login: string
    address: string
    at: Timestamp
  }
  /** A device that waits until its user confirms at the portal that it is hers. */
  pairing: {
    device_digest: Buffer
    user_digest: Buffer
    state: Generated<'waiting' | 'confirmed' | 'refused'>
    client: string
    address: string
    at: Timestamp
    expires_at: Timestamp
    polled_at: OptionalTimestamp
    user_id: ColumnType<number | null, number | null | undefined, number | null>
    parameters_id: ColumnType<number | null, number | null | undefined, number | null>
  }
  /** States of sign-ins at a provider that were answered: each counts once. */
  spent_state: {
    digest: Buffer
    expires_at: Timestamp
  }
  flavour: {
    id: Generated<number>
    name: string
    is_application: Generated<boolean>
    memory_mb: number
    /** Hundredths of a core. */
    cpu_percent: number
    /** How its desktops can be seen. */
    displays: Generated<readonly DisplayKind[]>
    /** What runs its desktops; null: what runs desktops on their node. */
    hypervisor: ColumnType<FlavourHypervisor | null, FlavourHypervisor | null | undefined, FlavourHypervisor>
    /** Size of a new home in megabytes; 0: no limit. */
    home_mb: Generated<number>
    /** What becomes of what its desktops write outside their homes. */
    overlay: Generated<OverlayKind>
    maintenance: Sentence
    /** Whose it is; null: all tenants'. */
    tenant_id: ColumnType<number | null, number | null | undefined, never>
    /** How many desktops it may have, and how many of one user; null: any number. */
    max_desktops: ColumnType<number | null, number | null | undefined, number | null>
    max_per_user: ColumnType<number | null, number | null | undefined, number | null>
    /** What one of them may receive and send; null: any number. */
    net_in_kbit: ColumnType<number | null, number | null | undefined, number | null>
    net_out_kbit: ColumnType<number | null, number | null | undefined, number | null>
    /** What one of them may read, and write, in a second; null: any number. */
    disk_iops: ColumnType<number | null, number | null | undefined, number | null>
    disk_kbytes: ColumnType<number | null, number | null | undefined, number | null>
    /** So many per cent of its starts take at most so many seconds; null: nothing is promised. */
    slo_seconds: ColumnType<number | null, number | null | undefined, number | null>
    slo_percent: Generated<number>
  }
  /** Homes: of a user and a flavour, one of each in service. Paths are below `path.storage.homefs`. */
  home: {
    id: Generated<number>
    /** Null: she is gone, and the home goes to the trash. */
    user_id: number | null
    flavour_id: number | null
    /** Whose it is, in words that stay when she is gone. */
    login: string
    tenant: string
    flavour: string
    kind: HomeKind
    path: string
    /** Where hkd is to move it. */
    moving_to: ColumnType<string | null, string | null | undefined, string | null>
    /** The node on whose own storage it lies; null: on storage that all nodes share, or not made yet. */
    host_id: ColumnType<number | null, number | null | undefined, number | null>
    limit_mb: number
    /** Since when there are files; null: it will be made. */
    made_at: OptionalTimestamp
    writer_vm: ColumnType<number | null, number | null | undefined, number | null>
    writer_epoch: ColumnType<number | null, number | null | undefined, number | null>
    writer_host: ColumnType<number | null, number | null | undefined, number | null>
    writer_since: OptionalTimestamp
    trashed_at: OptionalTimestamp
    purge_at: OptionalTimestamp
    /** Its files are being removed: it is not brought back any more. */
    purging: Generated<boolean>
    /** Why hkd could not move or remove it. */
    trouble: ColumnType<string | null, string | null | undefined, string | null>
    state: ColumnType<HomeState, never, never>
  }
  disk_image: {
    id: Generated<number>
    flavour_id: number
    name: string
    kind: DiskImageKind
    path: string
    version: string
    blocked: Generated<boolean>
    added_at: Timestamp
    /** What its file must hash to, if that was said. */
    sha256: ColumnType<string | null, string | null | undefined, never>
  }
  /** How images that were added from the staging folder stand on each node. */
  image_copy: {
    disk_image_id: number
    host_id: number
    state: ImageState
    reason: string | null
    bytes_done: ColumnType<string, number | undefined, number>
    bytes: ColumnType<string, number | undefined, number>
    sha256: string | null
    updated_at: Timestamp
  }
  /** Starts that failed, of which something was kept. */
  failed_start: {
    id: Generated<number>
    /** Null: its desktop was removed, and the files are to go, too. */
    vm_id: number | null
    host_id: number
    epoch: number
    at: Timestamp
    folder: string
    bytes: ColumnType<string, number, never>
    fault: string
  }
  /** Looks through the storage of a node for what nothing needs. */
  storage_look: {
    id: Generated<number>
    host_id: number
    by: string
    asked_at: Timestamp
    ended_at: OptionalTimestamp
    fault: ColumnType<string | null, string | null | undefined, string | null>
  }
  /** What such a look has found, and what became of it. */
  storage_orphan: {
    id: Generated<number>
    look_id: number
    path: string
    kind: string
    why: string
    bytes: ColumnType<string, number, never>
    modified_at: Timestamp
    identity: string
    purge_asked_at: OptionalTimestamp
    purged_at: OptionalTimestamp
    fault: ColumnType<string | null, string | null | undefined, string | null>
  }
  /** Which image of a flavour a tag stands for. A version is a tag that stays where it is. */
  image_tag: {
    flavour_id: number
    tag: string
    disk_image_id: number
    fixed: Generated<boolean>
  }
  vm: {
    id: Generated<number>
    name: string
    user_id: number
    flavour_id: number
    address: string
    di_tag: Generated<string>
    /** What it starts instead of what its tag stands for, in the course of a roll-out. */
    image_pin: ColumnType<number | null, number | null | undefined, number | null>
    blocked: Generated<boolean>
    /** When its user is asked to end it, and when it is ended; null: never. */
    expire_soft: OptionalTimestamp
    expire_hard: OptionalTimestamp
    expiry_told_at: OptionalTimestamp
    maintenance: Sentence
    /** Whose desktops it is one of; null: nobody's but its user's. */
    pool_id: ColumnType<number | null, number | null | undefined, never>
    /** Who has this desktop of a pool. */
    assigned_user_id: ColumnType<number | null, never, number | null>
    assigned_at: ColumnType<Date | null, never, Date | null>
    /** Whose data it may hold: cleared by a reset that was verified, and by nothing else. */
    dirty_user_id: ColumnType<number | null, never, number | null>
    dirty_since: ColumnType<Date | null, never, Date | null>
    /** How often it was found empty. */
    generation: ColumnType<number, never, number>
    // facts, written by hkd alone
    state: Generated<VmState>
    prior: Generated<VmState>
    state_since: Timestamp
    epoch: Generated<number>
    host_id: ColumnType<number | null, number | null | undefined, number | null>
    /** Why it cannot start yet, whatever its turn. */
    held: ColumnType<string | null, string | null | undefined, string | null>
    fault: ColumnType<string | null, string | null | undefined, string | null>
    /** Its code and what to try, where it has them. */
    fault_code: ColumnType<string | null, string | null | undefined, string | null>
    fault_cure: ColumnType<string | null, string | null | undefined, string | null>
    /** Starts in a row that failed, and when one is tried again by itself. */
    failures: Generated<number>
    next_try_at: OptionalTimestamp
    /** How the agent of the present boot is, what it said, and since when; null: nobody can tell. */
    agent_verdict: ColumnType<AgentVerdict | null, AgentVerdict | null | undefined, AgentVerdict | null>
    agent_said: ColumnType<string | null, string | null | undefined, string | null>
    agent_since: OptionalTimestamp
    /** What the present boot runs. */
    disk_image_id: ColumnType<number | null, number | null | undefined, number | null>
    /** How often an administrator has ended who sat here, and all tunnels. */
    disconnects: Generated<number>
    agent_at: ColumnType<string | null, string | null | undefined, string | null>
    /** What runs its present boot, or ran its last one. */
    hypervisor: ColumnType<HypervisorKind | null, never, HypervisorKind>
    /** What an administrator should know about the present boot. */
    warning: ColumnType<string | null, string | null | undefined, string | null>
  }
  /** Desktops that are alike, and whose they are for now. Its number is none of a desktop. */
  pool: {
    id: Generated<number>
    name: string
    tenant_id: number
    /** Stands for the user of a desktop that nobody has. */
    owner_id: number
    flavour_id: number
    di_tag: Generated<string>
    assign: Generated<PoolAssignment>
    /** Desktops that there are. */
    size: number
    /** Desktops that run and wait for somebody. */
    spare: Generated<number>
    /** Desktops that may be somebody's or run at once. */
    most: number
    /** Minutes after which a desktop that was left is stopped; null: never. */
    stop_minutes: ColumnType<number | null, number | null | undefined, number | null>
    everyone: Generated<boolean>
    logins: Generated<readonly string[]>
    groups: Generated<readonly string[]>
    maintenance: Sentence
  }
  /** A user who waits for a desktop of a pool: asked for by her door, answered by hkd alone. */
  pool_claim: {
    number: Generated<number>
    pool_id: number
    user_id: number
    at: Timestamp
    expires_at: Timestamp
    closed_at: OptionalTimestamp
    vm_id: ColumnType<number | null, never, number>
    outcome: ColumnType<string | null, never, string>
  }
  /** Nodes where a desktop of a pool may have left something. */
  vm_remains: { vm_id: number; host_id: number; since: Timestamp }
  /** Each time that a desktop of a pool was found empty. */
  vm_reset: { vm_id: number; generation: number; of_user_id: number; host_id: number; at: Timestamp }
  /** Images that are to be made of what desktops have become. */
  capture: {
    id: Generated<number>
    vm_id: number
    flavour_id: number
    version: string | null
    tag: string | null
    by: string
    asked_at: Timestamp
    host_id: ColumnType<number | null, never, number>
    stage: Generated<string>
    ended_at: OptionalTimestamp
    image_id: ColumnType<number | null, never, number>
    fault: ColumnType<string | null, never, string>
  }
  vm_edge: { prior: VmState; state: VmState }
  vm_log: {
    id: Generated<number>
    vm_id: number
    epoch: number
    event: string
    prior: VmState
    state: VmState
    fault: string | null
    fault_code: ColumnType<string | null, string | null | undefined, never>
    fault_cure: ColumnType<string | null, string | null | undefined, never>
    /** The end of what a boot that failed has said on its console. */
    console: ColumnType<string | null, string | null | undefined, never>
    /** What the boot runs; null for those of older versions. */
    disk_image_id: ColumnType<number | null, number | null | undefined, never>
    at: Timestamp
  }
  wish: {
    number: Generated<number>
    vm_id: number
    kind: WishKind | typeof RESET_WISH
    by: string
    reason: string
    /** The client's connection by which it came; null: none. */
    connection: ColumnType<string | null, string | null | undefined, string | null>
    /** A user waits for it: her door renews its end. */
    interactive: Generated<boolean>
    /** It outlives a start that failed. */
    persistent: Generated<boolean>
    at: Timestamp
    expires_at: OptionalTimestamp
    closed_at: OptionalTimestamp
    outcome: ColumnType<string | null, string | null | undefined, string | null>
  }
  seat: {
    vm_id: number
    /** Grows whenever the desktop is somebody else's, or by order nobody's. */
    epoch: number
    state: SeatState
    /** The door of the connection that has the desktop, as NODE/PID; null once it was given back or taken away. */
    door: string | null
    /** Of the last claim; null: of an older version. */
    user_id: ColumnType<number | null, number | null | undefined, number | null>
    /** How the holder is described to the one whom she displaces. */
    label: string
    since: Timestamp
    /** Until then the door is believed to live. */
    lease_until: Timestamp
    /** Who has sent the last holder away, when nobody has claimed the desktop since. */
    ended_by: string | null
    /** Whom the holder has displaced. */
    displaced: string | null
  }
  /** What opens one connection to one boot of a desktop. */
  ticket: {
    /** SHA-256 of the ticket's text. */
    digest: Buffer
    kind: TicketKind
    vm_id: number
    epoch: number
    by: string
    detail: JSONColumnType<Readonly<Record<string, string | number | boolean>>>
    uses_left: Generated<number>
    expires_at: Timestamp
  }
  /** Consoles that the authority is asked to sign: only the api orders, only hkd signs. */
  console_order: {
    /** Of the ticket. */
    digest: Buffer
    vm_id: number
    epoch: number
    by: string
    account: string
    expires_at: Timestamp
    signed: ColumnType<string | null, never, string>
  }
  timeline: {
    vm_id: number
    epoch: number
    step: TimelineStep
    at: Timestamp
  }
  session_hook: {
    id: Generated<number>
    vm_id: number
    epoch: number
    session: number
    at: Timestamp
    hook: string
    word: string
    exit: number | null
    ms: number
    said: string
  }
  authority: {
    id: Generated<number>
    certificate: string
    sealed_key: string
    /** What others seal with for hkd; null until a hkd of this version has started. */
    sealing_key: ColumnType<string | null, string | null | undefined, string | null>
  }
  /** What every door shows instead of the files of its node. */
  ssl_file: {
    name: SslFileName
    /** PEM; null for the key. */
    content: string | null
    /** The key, sealed for hkd. */
    sealed: string | null
    set_at: Timestamp
  }
  /** Backups of this database: asked for by anyone, told of by hkd alone. */
  backup: {
    id: Generated<number>
    by: string
    asked_at: Timestamp
    started_at: OptionalTimestamp
    ended_at: OptionalTimestamp
    /** Name of the file in `path.backup`; null until it was verified. */
    file: string | null
    /** The driver hands out a bigint as text. */
    bytes: ColumnType<string | null, number | null, number | null>
    rows: ColumnType<string | null, number | null, number | null>
    fault: string | null
  }
  /** What administrators are told: written by triggers, in the transaction of the fact. */
  notice: {
    id: ColumnType<string, never, never>
    kind: NoticeKind
    at: Timestamp
    vm_id: number
    /** The desktop's name. */
    vm: string
    login: string
    said: string
    code: string | null
    cure: string | null
    mailed_at: OptionalTimestamp
    posted_at: OptionalTimestamp
  }
  /** How each way of telling is doing. */
  notice_channel: {
    channel: NoticeChannel
    /** Not before. */
    next_at: Timestamp
    /** Until then some hkd is at it. */
    held_until: OptionalTimestamp
    /** In a row. */
    failures: Generated<number>
    fault: string | null
  }
  /** Work that takes long: the api previews and asks, hkd does it. */
  job: {
    id: Generated<number>
    kind: 'roll-out'
    by: string
    state: Generated<JobState>
    progress: Generated<string>
    reason: Generated<string>
    made_at: Timestamp
    started_at: OptionalTimestamp
    ended_at: OptionalTimestamp
    /** The node whose hkd does it, and until when it is believed to. */
    host_id: ColumnType<number | null, never, number>
    lease_until: OptionalTimestamp
  }
  job_item: {
    job_id: number
    vm_id: number
    wave: number
    state: Generated<JobItemState>
    /** It was up when its turn came, and is to be up again. */
    was_up: Generated<boolean>
    /** It was at rest and is started to try the image. */
    tried: Generated<boolean>
    fault: ColumnType<string | null, string | null | undefined, string | null>
  }
  job_log: {
    id: Generated<string>
    job_id: number
    at: Timestamp
    text: string
  }
  roll_out: {
    job_id: number
    flavour_id: number
    tag: string
    image_id: number | null
    /** What the tag stood for before. */
    old_image_id: number | null
    /** Says of a preview which world it was made of. */
    token: string
    settings: JSONColumnType<RollOutSettings>
    waves: number
    /** The last wave that was sent; 0: none. */
    wave: Generated<number>
    sent_at: OptionalTimestamp
    back_at: OptionalTimestamp
  }
  user_group: {
    id: Generated<number>
    tenant_id: number
    name: string
  }
  group_member: {
    tenant_id: number
    group_id: number
    user_id: number
  }
}
