/** QVD's `user_state` of a desktop: nobody, somebody whose session is being opened, somebody who sees it. */
export type SeatState = 'disconnected' | 'connecting' | 'connected'
