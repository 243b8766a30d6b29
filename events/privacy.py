from common.privacy import nobodys

nobodys("people by number only", "events.Event", "events.Delivery", "events.Heartbeat")
