"""The pictures of docs/pictures, taken anew in a headless Chromium, and the board's script tried
in it. Everything on them is practice, never a patient.

    make pictures          the ward board and the stop form, in every state; needs nothing
                           that runs, and fails where a page or its script is not as it must be
    wardshift demo --keep  in another window first, and Prefect's pages are taken too

CHROMIUM names the browser where it is not found.
"""
