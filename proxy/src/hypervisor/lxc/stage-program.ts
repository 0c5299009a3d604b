/** What the program says when a file system, or this kernel for that file system, cannot show other owners. */
export const NOT_SHIFTED = 'cannot be shown with other owners'

/**
 * Makes an overlay out of layers that are seen with other owners, and shows it at a place. The kernel writes to the upper
 * layer as whoever made the overlay, so that must be somebody whom the layer knows: the guest's root, with our capabilities.
 * Arguments: lower, upper, work, place.
 */
export const OVERLAY_PROGRAM = String.raw`
use strict;
my ($lower, $upper, $work, $place) = @ARGV;
my ($type, $empty) = ('overlay', '');
my ($MOVE_MOUNT, $FSOPEN, $FSCONFIG, $FSMOUNT) = (429, 430, 431, 432);
my ($SET_STRING, $CREATE, $NODEV, $HERE, $FROM_EMPTY_PATH) = (1, 6, 4, -100, 4);
my $context = syscall($FSOPEN, $type, 0);
die "an overlay cannot be made: $!\n" if $context < 0;
my %options = (lowerdir => $lower, upperdir => $upper, workdir => $work);
for my $key (keys %options) {
  my $value = $options{$key};
  syscall($FSCONFIG, $context, $SET_STRING, $key, $value, 0) == 0 or die "$key of an overlay: $!\n";
}
syscall($FSCONFIG, $context, $CREATE, 0, 0, 0) == 0 or die "an overlay of $lower cannot be made: $!\n";
my $mount = syscall($FSMOUNT, $context, 0, $NODEV);
die "an overlay cannot be mounted: $!\n" if $mount < 0;
syscall($MOVE_MOUNT, $mount, $empty, $HERE, $place, $FROM_EMPTY_PATH) == 0 or die "$place: $!\n";
`

/**
 * Shows folders at other places with other owners (idmapped mounts), then becomes another program. Run in a mount namespace of
 * its own, in which and below which alone these mounts exist: nobody has to take them away. mount(8) learnt this after
 * Debian 12; Perl is there on every Debian, and can make system calls, whose numbers here are the same on all
 * architectures.
 *
 * Arguments: the overlay's program; the folder of the stage; first number and count of the owners, or 0 0 to leave them as they are; then
 * `bind SOURCE PLACE FLAGS` (of mount_setattr), `show SOURCE PLACE FLAGS` (as it is), `overlay LOWER UPPER WORK PLACE` and
 * `without FOLDER` (what was mounted below it is not here any more) in any number; `--`; a program and its arguments.
 */
export const STAGE_PROGRAM = String.raw`
use strict;
use IPC::Open2;
my ($overlay, $stage, $first, $count, @steps) = @ARGV;
my ($OPEN_TREE, $MOVE_MOUNT, $MOUNT_SETATTR) = (428, 429, 442);
my ($CLONE, $HERE, $EMPTY_PATH, $FROM_EMPTY_PATH, $IDMAP) = (1, -100, 0x1000, 4, 0x100000);
my $empty = '';
my ($users, $holder, $to, $from);
system('mount', '-t', 'tmpfs', '-o', 'mode=0755,size=64k', 'ostler-stage', $stage) == 0 or exit 1;
if ($count) {
  $holder = open2($from, $to, 'unshare', '--user', '--', 'cat');
  syswrite($to, '.');
  sysread($from, my $there, 1) or die "user namespaces cannot be made (sysctl user.max_user_namespaces?)\n";
  for my $map ('uid_map', 'gid_map') {
    open(my $file, '>', "/proc/$holder/$map") or die "$map: $!\n";
    syswrite($file, "0 $first $count\n") or die "$map: $!\n";
  }
  open($users, '<', "/proc/$holder/ns/user") or die "user namespace: $!\n";
}
while (defined(my $step = shift @steps)) {
  last if $step eq '--';
  if ($step eq 'bind' || $step eq 'show') {
    my $shift = $users && $step eq 'bind';
    my ($source, $place, $flags) = splice(@steps, 0, 3);
    my $tree = syscall($OPEN_TREE, $HERE, $source, $CLONE);
    die "$source: $!\n" if $tree < 0;
    my $attributes = pack('Q4', $flags | ($shift ? $IDMAP : 0), 0, 0, $shift ? fileno($users) : 0);
    syscall($MOUNT_SETATTR, $tree, $empty, $EMPTY_PATH, $attributes, 32) == 0
      or die "$source ${NOT_SHIFTED} ($!): move it to another file system (ext4, xfs, btrfs), or set vm.lxc.userns = 0\n";
    mkdir $place;
    syscall($MOVE_MOUNT, $tree, $empty, $HERE, $place, $FROM_EMPTY_PATH) == 0 or die "$place: $!\n";
  } elsif ($step eq 'overlay') {
    my @parts = splice(@steps, 0, 4);
    mkdir $parts[3];
    my $able = '+sys_admin,+chown,+dac_override,+dac_read_search,+fowner,+fsetid,+mknod,+setfcap';
    my @as = $count
      ? ('setpriv', "--reuid=$first", "--regid=$first", '--clear-groups', "--inh-caps=$able", "--ambient-caps=$able")
      : ();
    system(@as, 'perl', '-e', $overlay, '--', @parts) == 0 or exit 1;
  } elsif ($step eq 'without') {
    my $folder = shift @steps;
    open(my $list, '<', '/proc/self/mountinfo') or die "mounts cannot be read: $!\n";
    my @mounted = map { (split / /)[4] } <$list>;
    s/\\([0-7]{3})/chr oct $1/ge for @mounted;
    my @below = grep { index($_, "$folder/") == 0 } @mounted;
    # One that the node has just taken away is no failure.
    system('umount', '--lazy', '--quiet', reverse @below) if @below;
  } else {
    die "unknown step $step\n";
  }
}
if ($holder) {
  close $to;
  waitpid $holder, 0;
}
exec { $steps[0] } @steps or die "$steps[0]: $!\n";
`
