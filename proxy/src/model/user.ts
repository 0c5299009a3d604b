/** What a user may do beside using her own desktops. */
export const USER_ROLES = ['user', 'power', 'support'] as const
export type UserRole = (typeof USER_ROLES)[number]
