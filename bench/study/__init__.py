"""Line-ups for people: what is shown to whom, the page that shows it, and what the answers say."""
