"""What the fork server imports: all that a trial needs, warm."""

import killing

killing.warm_up()
