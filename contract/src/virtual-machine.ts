/** How a node and the agent in a virtual machine meet before there is a network between them. */

/** The virtio port through which boot tickets come, a line of JSON each. Only root opens it. */
export const BOOT_PORT = 'org.ostler.boot'

/** What the firmware's configuration (fw_cfg) holds for the guest: a file for systemd-networkd, and a host name. */
export const SEED_NAMES = {
  network: 'opt/org.ostler/network',
  hostname: 'opt/org.ostler/hostname',
} as const
