from common.privacy import belongs, nobodys

nobodys("the shop's own", "insights.WinBackPlan")
belongs("insights.Spell", of="user", keep=["last_seen", "last_order"])
belongs("insights.WinBackChoice", of="user")
